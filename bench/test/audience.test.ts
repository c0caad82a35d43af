import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Audience } from '../src/load/audience.ts';

/** A server in a few lines: what was written to it, and what it has to deliver. */
function audienceOf(size: number) {
  const audience = new Audience(size);
  let isOver = false;
  const sent: string[] = [];
  const frameOf = (id: string) => Buffer.from(`[null,"message",{"n":"${id}"}]`);
  const deliver = (subscriber: number, id: string) => audience.receive(subscriber, frameOf(id));
  const run = (messages: number) => {
    isOver = false;
    return audience
      .run({ seconds: 0, messages }, (id) => sent.push(id))
      .finally(() => {
        isOver = true;
      });
  };
  return { audience, sent, deliver, run, isOver: () => isOver };
}

test('a burst is over when every subscriber has every message, in whatever order', async () => {
  const { sent, deliver, run } = audienceOf(3);
  const result = run(2);
  const [one, other] = sent;
  for (const subscriber of [2, 0, 1]) deliver(subscriber, one!);
  for (const subscriber of [1, 2, 0]) deliver(subscriber, other!);
  expect(await result).toMatchObject({ count: 6, pieces: ['[null,"message",{"n":"', '"}]'] });
  expect(sent).toHaveLength(2);
});

test('a message that comes to a subscriber again counts once', async () => {
  const { sent, deliver, run, isOver } = audienceOf(2);
  const result = run(2);
  const [one, other] = sent;
  for (const id of [one, one, other, other, one]) expect(deliver(0, id!)).toBe(true);
  await nextTurn();
  expect(isOver()).toBe(false);
  for (const id of [one, other]) deliver(1, id!);
  expect((await result).count).toBe(4);
});

test('a copy that comes in a later burst is not taken for one of it', async () => {
  const { sent, deliver, run, isOver } = audienceOf(2);
  const first = run(1);
  for (const subscriber of [0, 1]) deliver(subscriber, sent[0]!);
  await first;
  const second = run(1);
  deliver(0, sent[0]!);
  deliver(1, sent[0]!);
  await nextTurn();
  expect(isOver()).toBe(false);
  for (const subscriber of [0, 1]) deliver(subscriber, sent[1]!);
  expect((await second).count).toBe(2);
  expect(sent).toHaveLength(2);
});

test('until the time is over the next burst is written when the last one is complete', async () => {
  const audience = new Audience(1);
  const sent: string[] = [];
  const result = audience.run({ seconds: 0.02, messages: 3 }, (id) => {
    sent.push(id);
    setImmediate(() => audience.receive(0, Buffer.from(id)));
  });
  const { count, perSecond, seconds } = await result;
  expect(count).toBe(sent.length);
  expect(count).toBeGreaterThan(3);
  expect(count % 3).toBe(0);
  expect(perSecond).toBeCloseTo(count / seconds);
  expect(new Set(sent).size).toBe(count);
});

test('all 32 messages of a burst are told apart', async () => {
  const { sent, deliver, run } = audienceOf(1);
  const result = run(32);
  for (const id of sent) deliver(0, id);
  expect((await result).count).toBe(32);
});

test('replies, and what others write, are not its own', () => {
  const { audience, run } = audienceOf(1);
  void run(1);
  expect(audience.receive(0, Buffer.from('["1","2","phoenix","phx_reply",{}]'))).toBe(false);
});

test('a fault ends the run, and also one that came before it', async () => {
  const { audience, run } = audienceOf(1);
  const result = run(1);
  audience.fail('a socket is gone');
  await expect(result).rejects.toThrow('a socket is gone');
  const idle = audienceOf(1);
  idle.audience.fail('a socket was closed between two runs');
  await expect(idle.run(1)).rejects.toThrow('between two runs');
});
