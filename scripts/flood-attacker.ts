import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';

// The attacker of `flood.ts`, in a process of its own: as much at once as the server takes.

export interface FloodOrder {
  readonly url: string;
  readonly handshakes: number;
  readonly joins: number;
  readonly frames: number;
}

/** How often each answer, close code or refusal came. */
export interface FloodResult {
  readonly handshakes: Counts;
  readonly joins: Counts;
  readonly frames: Counts;
  readonly seconds: number;
}

type Counts = Record<string, number>;

const concurrentHandshakes = 200;
const joinsPerSocket = 100;
const framesPerSocket = 5_000;
const concurrentSockets = 20;

process.once('message', async (order: FloodOrder) => {
  const beganMs = performance.now();
  const handshakes = await floodHandshakes(order);
  const joins = await floodJoins(order);
  const frames = await floodFrames(order);
  const seconds = Math.round(performance.now() - beganMs) / 1_000;
  process.send!({ handshakes, joins, frames, seconds } satisfies FloodResult);
});

/** Opens sockets and keeps them, then drops all of them at once. */
async function floodHandshakes({ url, handshakes }: FloodOrder): Promise<Counts> {
  const counts: Counts = {};
  const open: WebSocket[] = [];
  await inParallel(handshakes, concurrentHandshakes, async () => {
    const socket = await connect(url);
    count(counts, typeof socket === 'string' ? socket : 'opened');
    if (typeof socket !== 'string') open.push(socket);
  });
  for (const socket of open) socket.terminate();
  return counts;
}

/** Joins of sessions that are not there, a hundred on each socket. */
async function floodJoins({ url, joins }: FloodOrder): Promise<Counts> {
  const counts: Counts = {};
  await inParallel(joins / joinsPerSocket, concurrentSockets, () =>
    sendFrames(url, counts, joinsPerSocket, (n) => {
      const topic = `session:01ARZ3NDEKTSV4RRFFQ69G5${String(n).padStart(3, '0')}`;
      return `["${n}","${n}","${topic}","phx_join",{}]`;
    }),
  );
  return counts;
}

/** Frames of all kinds, as fast as the connection takes them, also when nobody answers any more. */
async function floodFrames({ url, frames }: FloodOrder): Promise<Counts> {
  const counts: Counts = {};
  const text = 'x'.repeat(200);
  await inParallel(frames / framesPerSocket, concurrentSockets, () =>
    sendFrames(url, counts, framesPerSocket, (n) => {
      if (n % 3 === 0) return `[null,"${n}","phoenix","heartbeat",{}]`;
      return `["1","${n}","session:01ARZ3NDEKTSV4RRFFQ69G5FAV","send",{"content":{"content":{"text":"${text}"}}}]`;
    }),
  );
  return counts;
}

/** Sends all of them at once, and counts the answers until all have come or the socket is closed. */
async function sendFrames(
  url: string,
  counts: Counts,
  frames: number,
  frameOf: (n: number) => string,
): Promise<void> {
  const socket = await connect(url);
  if (typeof socket === 'string') {
    count(counts, `${socket} (${frames} frames not sent)`);
    // As an official client would: it comes again.
    await sleep(100);
    return;
  }
  const done = Promise.withResolvers<void>();
  let isDone = false;
  let answers = 0;
  socket.on('message', (data) => {
    answers += 1;
    const { status, response } = JSON.parse(String(data))[4];
    count(counts, status === 'ok' ? 'ok' : response.reason);
    if (answers === frames) done.resolve();
  });
  socket.on('close', (code, reason) => {
    if (!isDone) count(counts, `closed ${code} ${reason}`);
    done.resolve();
  });
  for (let n = 0; n < frames; n += 1) socket.send(frameOf(n));
  await done.promise;
  isDone = true;
  socket.terminate();
}

/** An open socket, or what refused it. */
function connect(url: string): Promise<WebSocket | string> {
  const { promise, resolve } = Promise.withResolvers<WebSocket | string>();
  const socket = new WebSocket(`${url}&vsn=2.0.0`);
  socket.on('open', () => resolve(socket));
  socket.on('unexpected-response', (_request, response) => {
    resolve(`refused ${response.statusCode}`);
    response.destroy();
  });
  socket.on('error', (error) => resolve(`failed ${(error as NodeJS.ErrnoException).code ?? error.message}`));
  return promise;
}

async function inParallel(total: number, width: number, run: () => Promise<void>): Promise<void> {
  let left = total;
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (left > 0) {
        left -= 1;
        await run();
      }
    }),
  );
}

function count(counts: Counts, what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}
