import {
  addGroup,
  addParticipants,
  injected,
  SessionClient,
  type SpawnedServer,
  spawnServer,
  startTestServer,
  type TestServer,
  testDatabase,
  waitUntil,
} from '@fleetlm/testkit';
import { expect, test } from 'vitest';

/**
 * I28: readers that stop while 20 MiB go by in their session. They cost the server their queue and no more, are
 * closed with 4008, and come back by their cursor to every message once. Who reads meanwhile is not held up.
 */
const text = 'x'.repeat(30_000);
const rounds = 35;
const messagesPerRound = 20;
const stalledReaders = 3;
const mebibyte = 1 << 20;
/** A slow machine would shed the traffic, which is another matter. */
const patient = { FLEETLM_APPEND_QUEUE_MS: '8000', FLEETLM_LOAD_LAG_MS: '60000' };

type Served = Pick<TestServer, 'api' | 'socketUrl'>;

/** Writes the traffic; `watch` is called after each round, when the good reader has all of it. */
async function letTrafficPass(server: Served, watch: (round: number) => Promise<void>) {
  await addParticipants(server, 'user:alice', 'user:bob');
  const sessionId = await addGroup(server, 'user:alice', 'user:bob');
  const join = async (lastSeq = 0) => {
    const client = await SessionClient.open(server.socketUrl('user:bob'), sessionId);
    expect((await client.join({ last_seq: lastSeq })).status).toBe('ok');
    return client;
  };
  const stalled = await Promise.all(Array.from({ length: stalledReaders }, () => join()));
  for (const { socket } of stalled) socket.pause();
  await using good = await join();
  await using writer = await SessionClient.open(server.socketUrl('user:alice'), sessionId);
  await writer.join();
  await watch(0);
  for (let round = 1; round <= rounds; round += 1) {
    const payload = { content: { content: { text } } };
    const refs = Array.from({ length: messagesPerRound }, () => writer.write('send', payload));
    for (const ref of refs) expect((await writer.answerTo(ref)).status).toBe('ok');
    await waitUntil(() => good.seqs.length === round * messagesPerRound, {
      what: 'what the good reader gets',
    });
    await watch(round);
  }
  expect(good.seqs).toEqual(range(1, rounds * messagesPerRound));
  return { stalled, join };
}

test('S19, I28: are closed with 4008, never hold more than their queue, and miss nothing', async () => {
  await using server = await startTestServer({ env: patient });
  const waiting: number[] = [];
  const { stalled, join } = await letTrafficPass(server, async () => {
    waiting.push(server.server.counts.queuedBytes);
  });
  expect(Math.max(...waiting)).toBeGreaterThan(0);
  // Beside its bound, a frame that is not judged yet, and those of the two who read.
  expect(Math.max(...waiting)).toBeLessThan((stalledReaders + 1) * (mebibyte + 2 * text.length));
  for (const client of stalled) {
    client.socket.resume();
    expect(await client.socket.closed).toEqual({ code: 4008, reason: 'slow_consumer' });
    const { seqs } = client;
    expect(seqs).toEqual(range(1, seqs.length));
    expect(seqs.length).toBeLessThan(rounds * messagesPerRound);
    await using again = await join(seqs.length);
    await waitUntil(() => again.seqs.at(-1) === rounds * messagesPerRound);
    expect(again.seqs).toEqual(range(seqs.length + 1, rounds * messagesPerRound));
  }
});

test('I28: the memory of the server stays flat', { timeout: 60_000 }, async () => {
  await using database = await testDatabase();
  await using server = await spawnServer({ env: { ...patient, ...tellsMemory, DATABASE_URL: database.url } });
  const samples: number[] = [];
  const { stalled } = await letTrafficPass(server, async (round) => {
    if (round % 5 === 0) samples.push(await memoryOf(server, samples.length + 1));
  });
  for (const { socket } of stalled) socket.terminate();
  const growthBytes = Math.min(...samples.slice(-2)) - samples[0]!;
  process.stdout.write(
    `20 MiB past ${stalledReaders} stalled readers: ${(growthBytes / mebibyte).toFixed(1)} MiB more in use\n`,
  );
  // The tail of the session, and code that has become warm. Without a bound it were 16, and more with each round.
  expect(growthBytes).toBeLessThan(8 * mebibyte);
});

/** A server that collects its garbage and tells what is in use, when it gets SIGUSR2. */
const tellsMemory = injected(`
  import { setFlagsFromString } from 'node:v8';
  import { runInNewContext } from 'node:vm';
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  let count = 0;
  process.on('SIGUSR2', () => {
    collect();
    // Buffers that the first pass has found are gone by the second.
    setImmediate(() => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      console.log('memory ' + (count += 1) + ': ' + (heapUsed + external) + ' bytes');
    });
  });
`);

async function memoryOf({ process: child }: SpawnedServer, count: number): Promise<number> {
  child.kill('SIGUSR2');
  const [, bytes] = await child.untilPrinted(new RegExp(`memory ${count}: (\\d+) bytes`));
  return Number(bytes);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
