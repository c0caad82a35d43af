import { ChannelSocket, type Reply } from './channel-socket.ts';
import { type ClosedLoopResult, runClosedLoop } from './closed-loop.ts';
import type { Load, TimedRun } from './load.ts';

export interface JoinOrder {
  /** A socket each, and the topics that it joins, one after the other, again and again. */
  readonly joiners: readonly Follower[];
  /** No more than there are joiners. */
  readonly inFlight: number;
  /** A socket that follows its topics all the while. */
  readonly follower?: Follower;
  /** How many messages a join must show. */
  readonly messages: number;
}

export interface Follower {
  readonly url: string;
  readonly topics: readonly string[];
}

/**
 * Members who join a session, leave it at once, and join their next one. Joins that show too little have
 * failed.
 */
export async function openJoin(order: JoinOrder): Promise<Load<TimedRun, ClosedLoopResult>> {
  const { joiners, inFlight, follower, messages } = order;
  if (follower !== undefined) await follow(follower);
  const sockets = await Promise.all(joiners.map(({ url }) => ChannelSocket.open(url)));
  let joins = 0;
  return {
    run: ({ seconds }) =>
      runClosedLoop({ slots: 1, inFlight, seconds }, (_slot, onEnd) => {
        const n = joins % joiners.length;
        const { topics } = joiners[n]!;
        const topic = topics[Math.floor(joins / joiners.length) % topics.length]!;
        joins += 1;
        sockets[n]!.push(topic, 'phx_join', '{}', (reply) => {
          sockets[n]!.push(topic, 'phx_leave', '{}');
          onEnd(failureOf(reply, messages));
        });
      }),
  };
}

async function follow({ url, topics }: Follower): Promise<void> {
  const socket = await ChannelSocket.open(url);
  for (const topic of topics) await socket.join(topic);
}

function failureOf({ status, response }: Reply, messages: number): string | undefined {
  if (status !== 'ok') return String(response?.reason ?? status);
  if (response.messages.length === messages) return undefined;
  return `showed ${response.messages.length} of ${messages} messages`;
}
