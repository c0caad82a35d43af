import type { ParticipantId } from '@fleetlm/protocol';
import {
  addGroup,
  addParticipants,
  type RawFrame,
  SessionClient,
  startTestServer,
  type TestServer,
  waitUntil,
} from '@fleetlm/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Receipt, Receipts } from '../../src/sessions/receipts.ts';
import { range } from './fixtures.ts';

const ann = 'user:ann';
const bob = 'user:bob';
const crowd = range(1, 110).map((n) => `user:crowd-${n}`);

let server: TestServer;
let resources: AsyncDisposableStack;

beforeAll(async () => {
  server = await startTestServer();
  await addParticipants(server, ann, bob, ...crowd);
});
afterAll(() => server[Symbol.asyncDispose]());

beforeEach(() => {
  resources = new AsyncDisposableStack();
});
afterEach(() => resources.disposeAsync());

async function joined(sessionId: string, as: string): Promise<SessionClient> {
  const client = resources.use(await SessionClient.open(server.socketUrl(as), sessionId));
  expect(await client.join()).toMatchObject({ status: 'ok' });
  return client;
}

/** The payloads of `read` events so far. */
function receiptsOf({ socket }: SessionClient): RawFrame[] {
  return socket.texts
    .map((text) => JSON.parse(text))
    .filter((frame) => frame[3] === 'read')
    .map((frame) => frame[4]);
}

function receipt(participantId: string, lastReadSeq: number): Receipt {
  return {
    participantId: participantId as ParticipantId,
    lastReadSeq,
    lastReadAt: null,
    audience: 'everybody',
  };
}

describe('waiting receipts', () => {
  test('of each reader the newest is kept, in whatever order they came', () => {
    const receipts = new Receipts();
    for (const seq of [2, 5, 3]) receipts.add(receipt(ann, seq));
    receipts.add(receipt(bob, 1));
    expect(receipts.take()).toEqual([receipt(ann, 5), receipt(bob, 1)]);
    expect(receipts.take()).toEqual([]);
  });
});

describe('read events', () => {
  test('are joined to one a second per reader, and tell where it has come to', {
    timeout: 15_000,
  }, async () => {
    const sessionId = await addGroup(server, ann, bob);
    const [anns, bobs] = [await joined(sessionId, ann), await joined(sessionId, bob)];
    await anns.sayMany(30);
    const beganMs = performance.now();
    for (const seq of range(1, 30)) await bobs.push('read', { seq });
    const { body } = await server.api('GET', `/api/sessions/${sessionId}/messages?after_seq=29`);
    for (const reader of [anns, bobs]) {
      await waitUntil(() => receiptsOf(reader).at(-1)?.last_read_seq === 30);
      const elapsedMs = performance.now() - beganMs;
      expect(receiptsOf(reader).length).toBeLessThanOrEqual(elapsedMs / 1_000 + 1);
      const last_read_at = body.messages[0].inserted_at;
      expect(receiptsOf(reader).at(-1)).toEqual({ participant_id: bob, last_read_seq: 30, last_read_at });
    }
  });

  test('a read that moves nothing is not told', { timeout: 15_000 }, async () => {
    const sessionId = await addGroup(server, ann, bob);
    const [anns, bobs] = [await joined(sessionId, ann), await joined(sessionId, bob)];
    await anns.sayMany(3);
    for (const seq of [2, 1, 2, 0]) await bobs.push('read', { seq });
    await anns.push('read', {});
    await waitUntil(() => receiptsOf(bobs).length >= 2);
    expect(receiptsOf(bobs).map((each) => [each.participant_id, each.last_read_seq])).toEqual([
      [bob, 2],
      [ann, 3],
    ]);
  });

  test("with more than 100 members only the reader's own sockets are told", { timeout: 15_000 }, async () => {
    const sessionId = await addGroup(server, ann, bob, ...crowd);
    const anns = await joined(sessionId, ann);
    const bobs = [await joined(sessionId, bob), await joined(sessionId, bob)];
    await anns.say('to everybody');
    await bobs[0]!.push('read');
    for (const device of bobs) await waitUntil(() => receiptsOf(device).length === 1);
    await anns.push('read');
    await waitUntil(() => receiptsOf(anns).length > 0);
    expect(receiptsOf(anns).map((each) => each.participant_id)).toEqual([ann]);
    for (const device of bobs) expect(receiptsOf(device).map((each) => each.participant_id)).toEqual([bob]);
  });
});
