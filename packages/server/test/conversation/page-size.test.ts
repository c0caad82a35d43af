import { expect, test } from 'vitest';
import { readHistory } from '../../src/conversation/history.ts';
import { createFixture, draft } from './fixtures.ts';

/** 32 KiB of numbers that a database might write out in full. */
const tiny = JSON.stringify({ n: Array(6_000).fill(5e-324) });

test('what is stored comes back as long as it came, and a page of it holds 256 KiB', async () => {
  await using fixture = await createFixture();
  const session = await fixture.session();
  await Promise.all(
    Array.from({ length: 40 }, () => fixture.append(draft(session, '', { contentJson: tiny }))),
  );

  const first = await readHistory(fixture.db, session, { afterSeq: 0, limit: 200 });
  const last = await readHistory(fixture.db, session, { limit: 200 });
  for (const page of [first, last]) {
    expect(page.every((message) => message.fields.contentJson === tiny)).toBe(true);
    expect(page.length).toBe(Math.floor((256 << 10) / page[0]!.json.length));
  }
  expect([first[0]!.seq, last.at(-1)!.seq]).toEqual([1, 40]);
});
