import { fork } from 'node:child_process';
import { on } from 'node:events';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Conversation } from './load/conversation.ts';
import { Latencies } from './load/latencies.ts';
import { type ServerUnderTest, startServer } from './load/server-under-test.ts';
import type { OfferOrder, OfferResult } from './overload-offer.ts';

// More appends than a node can store (I30): finds what it can, offers three times that for a while, then little. Prints
// what was admitted and how fast, what was shed, the memory, and how soon the node was itself again; and what two people
// felt who talked beside it. Ends by itself after some 40 s.
const sockets = 100;
const findMs = 6_000;
const overloadMs = 15_000;
const recoverMs = 12_000;
const factor = 3;
const calmPerSecond = 100;

// Rates are about single callers, and are off: this is about all of them together.
await using server = await startServer({
  FLEETLM_RATE_MESSAGES: '0',
  FLEETLM_RATE_FRAMES: '0',
  FLEETLM_RATE_HANDSHAKES: '0',
});
const sessions = await addSessions(server);
await using conversation = await Conversation.open(server);
const memory = watchMemory();

const found = await offer({ perSecond: null, ms: findMs });
const capacity = Math.round(found.stored / (findMs / 1_000));
report(`closed loop, ${capacity}/s`, found);
const state = { isOver: false };
const beside = conversation.talk(() => state.isOver);
const shed = await offer({ perSecond: capacity * factor, ms: overloadMs });
state.isOver = true;
report(`${factor} × as much offered`, shed);
const { acknowledged, received, shed: refused } = await beside;
console.log(`beside it: acknowledged: ${acknowledged}; received: ${received}; ${refused} refused`);
const calm = await offer({ perSecond: calmPerSecond, ms: recoverMs });
report('little again', calm);
const [atRest, peak] = [memory.first, memory.stop()];
console.log(`memory: ${atRest} MiB before, ${peak} MiB at most, ${await server.residentMiB()} MiB after`);
console.log(`itself again after ${calm.lastTroubleMs} ms (the last refusal, or answer later than 100 ms)`);

async function addSessions(target: ServerUnderTest): Promise<OfferOrder['clients']> {
  const pairs = Array.from({ length: sockets }, (_, n) => [`user:a${n}`, `user:b${n}`] as const);
  return Promise.all(
    pairs.map(async ([a, b]) => ({
      sessionId: await target.addSession(a, b),
      url: await target.socketUrl(a),
    })),
  );
}

async function offer(what: Pick<OfferOrder, 'perSecond' | 'ms'>): Promise<OfferResult> {
  const child = fork(resolve(import.meta.dirname, 'overload-offer.ts'), {
    execArgv: ['--conditions=fleetlm-source'],
  });
  child.send({ clients: sessions, ...what } satisfies OfferOrder);
  for await (const [result] of on(child, 'message', { signal: AbortSignal.timeout(what.ms + 60_000) })) {
    child.disconnect();
    return result;
  }
  throw new Error('no result came');
}

function report(name: string, { sent, heldBack, stored, refused, times }: OfferResult): void {
  const latencies = new Latencies();
  for (const ms of times) latencies.add(ms);
  console.log(
    `${name}: ${sent} sent, ${heldBack} held back, refused ${JSON.stringify(refused)}; ${stored} stored: ${latencies}`,
  );
}

function watchMemory(): { readonly first: number; stop(): number } {
  const seen: number[] = [];
  const watching = new AbortController();
  void (async () => {
    while (!watching.signal.aborted) {
      seen.push(await server.residentMiB());
      await sleep(100);
    }
  })();
  return {
    get first() {
      return seen[0] ?? 0;
    },
    stop() {
      watching.abort();
      return Math.max(...seen);
    },
  };
}
