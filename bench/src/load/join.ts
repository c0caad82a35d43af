import { type Percentiles, percentiles } from '../statistics.ts';
import { ChannelSocket, type Reply } from './channel-socket.ts';
import type { Load } from './load.ts';

export interface JoinOrder {
  /** Sockets that join, each one topic at a time. */
  readonly urls: readonly string[];
  /** A socket that follows these topics all the while. */
  readonly follower?: { readonly url: string; readonly topics: readonly string[] };
  /** How many messages are in each session: all of them come with a join. */
  readonly messages: number;
}

/** Join: of each socket, the topics that it joins, no more than a socket may have. Then leave them all. */
export type JoinRun =
  | { readonly step: 'join'; readonly topics: readonly (readonly string[])[] }
  | { readonly step: 'leave' };

export interface JoinResult extends Percentiles {
  readonly perSecond: number;
  readonly count: number;
}

/** Members who join sessions one after the other, and leave when all have been joined. */
export async function openJoin(order: JoinOrder): Promise<Load<JoinRun, JoinResult | null>> {
  const { follower, messages } = order;
  if (follower) await follow(follower.url, follower.topics);
  const sockets = await Promise.all(order.urls.map((url) => ChannelSocket.open(url)));
  let joined: readonly (readonly string[])[] = [];
  return {
    async run(run) {
      if (run.step === 'leave') {
        await Promise.all(sockets.map((socket, n) => leaveAll(socket, joined[n]!)));
        return null;
      }
      joined = run.topics;
      const times: number[] = [];
      const beganMs = performance.now();
      await Promise.all(sockets.map((socket, n) => joinAll(socket, joined[n]!, messages, times)));
      const seconds = (performance.now() - beganMs) / 1_000;
      return { ...percentiles(times), perSecond: times.length / seconds, count: times.length };
    },
  };
}

async function follow(url: string, topics: readonly string[]): Promise<void> {
  const socket = await ChannelSocket.open(url);
  for (const topic of topics) await socket.join(topic);
}

async function joinAll(
  socket: ChannelSocket,
  topics: readonly string[],
  messages: number,
  times: number[],
): Promise<void> {
  for (const topic of topics) {
    const beganMs = performance.now();
    const response = await socket.join(topic);
    times.push(performance.now() - beganMs);
    checkJoin(topic, response, messages);
  }
}

function checkJoin(topic: string, response: Reply['response'], messages: number): void {
  const { session_id: id, messages: shown, last_seq: lastSeq } = response;
  if (topic === `session:${id}` && shown.length === messages && lastSeq === messages) return;
  throw new Error(`the join of ${topic} showed ${shown.length} of ${lastSeq} messages of ${id}`);
}

async function leaveAll(socket: ChannelSocket, topics: readonly string[]): Promise<void> {
  for (const topic of topics) await socket.ask(topic, 'phx_leave');
}
