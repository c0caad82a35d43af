import { quietLog, testDatabase } from '@fleetlm/testkit';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/storage/database.ts';

test('what is set of a connection holds also where DATABASE_URL has options of its own', async () => {
  await using database = await testDatabase();
  const { url } = database;
  const options = encodeURIComponent('-c timezone=Asia/Tokyo -c work_mem=8MB');
  const connectionString = `${url}${url.includes('?') ? '&' : '?'}options=${options}`;
  const db = openDatabase({ connectionString }, 1, quietLog);
  const [row] = await db.query(
    {
      name: 'settings',
      text: `select current_setting('timezone') as zone, current_setting('work_mem') as work_mem,
        current_setting('plan_cache_mode') as plans, '2026-01-02T03:04:05Z'::timestamptz as time`,
    },
    [],
  );
  await db.close();
  expect(row).toEqual({
    zone: 'UTC',
    work_mem: '8MB',
    plans: 'force_generic_plan',
    time: '2026-01-02T03:04:05.000Z',
  });
});
