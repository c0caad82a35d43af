import { expect, test } from 'vitest';
import { settledBytesOf } from '../src/settled-bytes.ts';

test.runIf(process.platform === 'linux')('this process has some memory', async () => {
  expect(await settledBytesOf(process.pid)).toBeGreaterThan(10 << 20);
});

test('of a process that is not there nothing can be told', async () => {
  expect(await settledBytesOf(2 ** 22 + 1)).toBeNull();
});
