import { expect, test } from 'vitest';
import { MissedMessages } from '../src/load/missed-messages.ts';

const ids = ['one', 'two', 'three'];

function show(missed: MissedMessages, shown: readonly string[]): void {
  for (const id of shown) missed.take({ id });
}

test('all of them, in order', async () => {
  const missed = new MissedMessages(ids);
  show(missed, ['one', 'two']);
  expect(missed.isComplete).toBe(false);
  expect(missed.received).toBe(2);
  show(missed, ['three']);
  await missed.complete;
  expect(missed.isComplete).toBe(true);
  missed.check();
});

test('nothing missed is complete', async () => {
  await new MissedMessages([]).complete;
});

test.each([
  [['one', 'three'], 'message three came when two was next; 1 of 3 messages had come'],
  [['one', 'one'], 'message one came when two was next; 1 of 3 messages had come'],
  [['two'], 'message two came when one was next; 0 of 3 messages had come'],
])('%j is not what was missed', async (shown, problem) => {
  const missed = new MissedMessages(ids);
  show(missed, shown);
  await expect(missed.complete).rejects.toThrow(problem);
});

test('one too many is found when looked for', async () => {
  const missed = new MissedMessages(ids);
  show(missed, [...ids, 'three']);
  await missed.complete;
  expect(() => missed.check()).toThrow('message three came when none was next');
});

test('who waits hears of the end', async () => {
  const missed = new MissedMessages(ids);
  missed.giveUp('the connection was lost');
  await expect(missed.complete).rejects.toThrow('the connection was lost; 0 of 3 messages had come');
});
