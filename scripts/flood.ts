import { fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FloodOrder, FloodResult } from './flood-attacker.ts';
import { Conversation } from './load/conversation.ts';
import { startServer } from './load/server-under-test.ts';

// One attacker with a valid token against a server with its default limits, beside two people who talk: 2,000
// handshakes, 10,000 joins, 100,000 frames. Prints what people felt, and what became of the attack. Ends by itself
// after a minute or two.
const order: Omit<FloodOrder, 'url'> = { handshakes: 2_000, joins: 10_000, frames: 100_000 };
const quietMs = 5_000;
let peakMiB = 0;

await using server = await startServer();
await using conversation = await Conversation.open(server);
await talkFor('before', quietMs);
const attack = runAttack();
const { acknowledged, received } = await conversation.talk(() => attack.isDone);
console.log(`during  acknowledged: ${acknowledged}; received: ${received}`);
console.log(`the attack: ${JSON.stringify(await attack.result)}`);
await talkFor('after', quietMs);
console.log(
  `memory of the server: ${peakMiB} MiB at most during the attack, ${await server.residentMiB()} MiB now`,
);
const p99 = Math.max(acknowledged.at(0.99), received.at(0.99));
console.log(`p99 beside the attack: ${p99.toFixed(1)} ms (${p99 < 100 ? 'under' : 'NOT UNDER'} 100 ms)`);

async function talkFor(when: string, ms: number): Promise<void> {
  const untilMs = performance.now() + ms;
  const times = await conversation.talk(() => performance.now() > untilMs);
  console.log(`${when.padEnd(7)} acknowledged: ${times.acknowledged}; received: ${times.received}`);
}

function runAttack(): { readonly isDone: boolean; readonly result: Promise<FloodResult> } {
  const state = { isDone: false, result: attackFromAnotherProcess() };
  void state.result.finally(() => {
    state.isDone = true;
  });
  void watchMemory(() => state.isDone);
  return state;
}

async function attackFromAnotherProcess(): Promise<FloodResult> {
  const child = fork(resolve(import.meta.dirname, 'flood-attacker.ts'), {
    execArgv: ['--conditions=fleetlm-source'],
  });
  child.send({ ...order, url: await server.socketUrl('user:mallory') } satisfies FloodOrder);
  const [result] = (await once(child, 'message', { signal: AbortSignal.timeout(180_000) })) as [FloodResult];
  child.disconnect();
  return result;
}

async function watchMemory(isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    peakMiB = Math.max(peakMiB, await server.residentMiB());
    await sleep(100);
  }
}
