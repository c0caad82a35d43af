import { fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { temporaryDataDir, testSecret, waitUntil } from '@fleetlm/testkit';
import { parseConfig, Server } from 'fleetlm';
import type { SoakOrder, SoakResult } from './soak-clients.ts';

// A server under all kinds of use for ten minutes (`-- --minutes 1` for less): people who talk, come, go, break off, do
// not read, and send nonsense. Prints its memory every half minute; at the end, when everybody has left, nothing may be
// left of them: no actor, timer, socket, or busy pool client more than after the warm-up. Fails if there is.
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const soakMs = Number(values.minutes) * 60_000;
const warmUpMs = 20_000;
const reportMs = Math.min(30_000, soakMs / 4);
/** What the last sockets and idle actors are given to go. */
const emptyMs = 60_000;
/** Then the activity of the last minute is written, at its end, and ten seconds later the pool's connections go. */
const settleMs = 80_000;

await using dataDir = await temporaryDataDir();
const log = { debug() {}, info() {}, warn: () => counts.warnings++, error: console.error };
const counts = { warnings: 0 };
const config = parseConfig({
  PORT: '0',
  FLEETLM_DATA_DIR: dataDir.path,
  FLEETLM_JWT_SECRET: testSecret,
  // Everybody comes from one address.
  FLEETLM_RATE_HANDSHAKES: '0',
});
await using server = new Server(config, { log });
await server.start();

console.log(`warm-up: ${JSON.stringify(await useFor(warmUpMs))}`);
const before = await settled();
console.log(`at rest: ${describe(before)}`);
const soak = { isDone: false };
const watching = watch();
const result = await useFor(soakMs);
soak.isDone = true;
await watching;
console.log(`soak: ${JSON.stringify(result)}, ${counts.warnings} warnings`);
const after = await settled();
console.log(`at rest: ${describe(after)}`);
const left = Object.keys(after.counts).filter((name) => after.counts[name]! > (before.counts[name] ?? 0));
console.log(left.length === 0 ? 'nothing is left behind' : `LEFT BEHIND: ${left.join(', ')}`);
process.exitCode = left.length === 0 ? 0 : 1;

interface AtRest {
  readonly counts: Record<string, number>;
  readonly residentMiB: number;
  readonly heapMiB: number;
}

async function useFor(ms: number): Promise<SoakResult> {
  const child = fork(resolve(import.meta.dirname, 'soak-clients.ts'), {
    execArgv: ['--conditions=fleetlm-source'],
  });
  child.send({ url: server.url, ms } satisfies SoakOrder);
  const [message] = await once(child, 'message', { signal: AbortSignal.timeout(ms + 60_000) });
  child.disconnect();
  await once(child, 'exit');
  return message as SoakResult;
}

/** What there is when everybody has left: Node's resources by kind, and our own. */
async function settled(): Promise<AtRest> {
  const isEmpty = () => Object.values(server.counts).every((count) => count === 0);
  await waitUntil(isEmpty, {
    what: `an empty server (${JSON.stringify(server.counts)})`,
    timeoutMs: emptyMs,
  });
  await sleep(settleMs);
  globalThis.gc?.();
  const resources = Object.groupBy(process.getActiveResourcesInfo(), (name) => name);
  const ofNode = Object.entries(resources).map(([name, all]) => [name, all!.length] as const);
  const { rss, heapUsed } = process.memoryUsage();
  return {
    counts: { ...server.counts, ...Object.fromEntries(ofNode) },
    residentMiB: Math.round(rss / 2 ** 20),
    heapMiB: Math.round((heapUsed / 2 ** 20) * 10) / 10,
  };
}

async function watch(): Promise<void> {
  for (let elapsedMs = reportMs; !soak.isDone; elapsedMs += reportMs) {
    await sleep(reportMs);
    if (soak.isDone) return;
    globalThis.gc?.();
    const { rss, heapUsed } = process.memoryUsage();
    const [resident, heap] = [rss, heapUsed].map((bytes) => (bytes / 2 ** 20).toFixed(1));
    console.log(
      `${(elapsedMs / 60_000).toFixed(1)} min: RSS ${resident} MiB, live heap ${heap} MiB, ${JSON.stringify(server.counts)}`,
    );
  }
}

function describe({ counts: named, residentMiB, heapMiB }: AtRest): string {
  return `RSS ${residentMiB} MiB, live heap ${heapMiB} MiB, ${JSON.stringify(named)}`;
}
