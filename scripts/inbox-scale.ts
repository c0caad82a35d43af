import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fillInbox } from '@fleetlm/testkit/fill-inbox';
import { parseConfig, Server, startEmbeddedPostgres } from 'fleetlm';

// Is the first page of an inbox as fast for a participant with 100,000 sessions as for one with 100? Prints both
// times, and ends by itself after some 30 s.
const sizes = [100, 100_000];
const callsEach = 300;
/** Whatever happens: a script that somebody waits for. */
const deadline = AbortSignal.timeout(85_000);

const log = { debug() {}, info() {}, warn: console.warn, error: console.error };
const dataDir = await mkdtemp(join(tmpdir(), 'fleetlm-inbox-scale-'));
try {
  await using postgres = await startEmbeddedPostgres({ dataDir, log, settings: { fsync: 'off' } });
  const { host, port, user } = postgres.connection;
  const url = `postgres://${user}@/postgres?host=${encodeURIComponent(host!)}&port=${port}`;
  await using server = new Server(
    parseConfig({
      PORT: '0',
      DATABASE_URL: url,
      LOG_LEVEL: 'warn',
      FLEETLM_ACCEPT_UNSAFE_POSTGRES: 'fsync',
    }),
    { log },
  );
  await server.start();
  for (const size of sizes) {
    const beganMs = performance.now();
    await fillInbox(url, { participantId: participantOf(size), peerId: 'user:peer', count: size });
    console.log(`filled ${size} sessions in ${Math.round(performance.now() - beganMs)} ms`);
  }
  const times = new Map(sizes.map((size) => [size, [] as number[]]));
  // In turn, so that whatever else the machine does hits both.
  for (let call = 0; call < callsEach; call += 1) {
    for (const size of sizes) times.get(size)!.push(await timeFirstPage(server.url, size));
  }
  const medians = sizes.map((size) => median(times.get(size)!));
  for (const [index, size] of sizes.entries())
    console.log(`${size} sessions: first page in ${medians[index]!.toFixed(2)} ms (median of ${callsEach})`);
  console.log(`ratio: ${(medians.at(-1)! / medians[0]!).toFixed(2)}`);
} finally {
  await rm(dataDir, { recursive: true, force: true });
}

function participantOf(size: number): string {
  return `user:with-${size}`;
}

async function timeFirstPage(url: string, size: number): Promise<number> {
  const participant = participantOf(size);
  const beganMs = performance.now();
  const response = await fetch(`${url}/api/participants/${participant}/inbox`, {
    headers: { 'x-participant-id': participant },
    signal: deadline,
  });
  const page = (await response.json()) as { conversations: unknown[] };
  if (page.conversations.length !== 50) throw new Error(`a page of ${page.conversations.length}`);
  return performance.now() - beganMs;
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!;
}
