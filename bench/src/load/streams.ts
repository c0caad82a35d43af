import { sharedNowMs } from '../agents/stream-text.ts';
import { type Percentiles, percentiles } from '../statistics.ts';
import { ChannelSocket } from './channel-socket.ts';
import { countFailure, type Failures } from './failures.ts';
import { gather } from './gather.ts';
import type { Load } from './load.ts';
import type { Member } from './member.ts';
import { type Span, StreamReader } from './stream-reader.ts';

export interface StreamsOrder {
  /** Each in a session of its own with an agent. */
  readonly members: readonly Member[];
}

export interface StreamsRun {
  /** So many of them ask their agents, and read. */
  readonly streams: number;
  /** Of each stream. */
  readonly chunks: number;
  readonly perSecond: number;
}

/** Percentiles are of a chunk's way, from its agent's writing to the reader, in ms. */
export interface StreamsResult extends Percentiles {
  /** From the question to the answer's first chunk, in ms. */
  readonly first: Percentiles;
  /** Chunks that came, as the agents wrote them: the server may have joined some. */
  readonly count: number;
  /** Of these, from the first to the last one that came, and from the first to the last one that was written. */
  readonly perSecond: number;
  readonly writtenPerSecond: number;
  /** All of it. */
  readonly seconds: number;
  readonly failures: Failures;
}

/** People who ask their agents, and see the answers stream. */
export async function openStreams({ members }: StreamsOrder): Promise<Load<StreamsRun, StreamsResult>> {
  const readers = await gather(members.length, (n) => openReader(members[n]!));
  return { run: (order) => readAll(readers.slice(0, order.streams), order) };
}

async function openReader({ url, topic }: Member): Promise<StreamReader> {
  const socket = await ChannelSocket.open(url, {
    onPush: (push) => reader.receive(push),
    onClosed: () => reader.fail('the socket was closed'),
  });
  const reader = new StreamReader(socket, topic);
  await socket.join(topic);
  return reader;
}

async function readAll(readers: readonly StreamReader[], order: StreamsRun): Promise<StreamsResult> {
  const beganMs = sharedNowMs();
  const read = await Promise.all(readers.map((reader) => reader.ask(order)));
  const seconds = (sharedNowMs() - beganMs) / 1_000;
  const times = read.flatMap(({ timesMs }) => timesMs);
  const failures: Record<string, number> = {};
  for (const { failure } of read) if (failure !== null) countFailure(failures, failure);
  return {
    ...percentiles(times),
    first: percentiles(read.map(({ came, askedMs }) => came.firstMs - askedMs).filter(Number.isFinite)),
    count: times.length,
    perSecond: times.length / secondsOf(read.map(({ came }) => came)),
    writtenPerSecond: times.length / secondsOf(read.map(({ written }) => written)),
    seconds,
    failures,
  };
}

/** From the first of all to the last. */
function secondsOf(spans: readonly Span[]): number {
  const firstMs = spans.reduce((least, span) => Math.min(least, span.firstMs), Number.POSITIVE_INFINITY);
  const lastMs = spans.reduce((most, span) => Math.max(most, span.lastMs), Number.NEGATIVE_INFINITY);
  return (lastMs - firstMs) / 1_000;
}
