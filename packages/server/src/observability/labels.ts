import { closeCodes, type deliveryStatuses, type ErrorCode } from '@fleetlm/protocol';

/**
 * What labels may say. Each is a closed set, so that the number of series is bounded by the code: no label is an
 * id, a path, or anything else that a caller chooses.
 */

/** What became of an append, as far as a graph should tell it apart. */
export const appendStatuses = ['ok', 'duplicate', 'refused', 'overloaded', 'failed', 'unknown'] as const;
export type AppendStatus = (typeof appendStatuses)[number];

/** Why an attempt to commit a batch did not; see `conversation/append/failure.ts`. */
export const attemptFailures = [
  'locked',
  'collision',
  'bad_data',
  'exhausted',
  'refused',
  'unknown',
] as const;
export type AttemptFailure = (typeof attemptFailures)[number];

export const fanoutTypes = ['session', 'inbox'] as const;
export type FanoutType = (typeof fanoutTypes)[number];

/** What became of a join; `unmatched`: no channel serves such a topic. */
export type JoinResult = 'ok' | 'unmatched' | 'crashed' | ErrorCode;

export const topicGroups = ['session', 'inbox', 'other'] as const;
export type TopicGroup = (typeof topicGroups)[number];

/**
 * - `session_tail`: a page of a session that somebody follows here, out of memory or else from Postgres.
 * - `session_kept`, `inbox_view`: what is kept of a session or an inbox that nobody followed for a while.
 */
export const cacheNames = ['session_tail', 'session_kept', 'inbox_view'] as const;
export type CacheName = (typeof cacheNames)[number];

export const handshakeStatuses = [101, 400, 403, 404, 429, 503] as const;
export type HandshakeStatus = (typeof handshakeStatuses)[number];

/** Where `rate_limited` was answered: to a frame, to a REST call, or to a handshake. */
export const rateLimitedEdges = ['frame', 'request', 'handshake'] as const;
export type RateLimitedEdge = (typeof rateLimitedEdges)[number];

/** What was refused since the node was full. */
export const shedKinds = ['handshake', 'request', 'join', 'send', 'history'] as const;
export type ShedKind = (typeof shedKinds)[number];

/** Why a node takes nothing new; see `runtime/load-state.ts`. */
export const fullReasons = ['lag', 'memory'] as const;
export type FullReason = (typeof fullReasons)[number];

/** How a turn ended. */
export const turnEnds = ['completed', 'failed', 'stopped', 'dead'] as const;
export type TurnEnd = (typeof turnEnds)[number];

/** What became of a call of an agent; `retry`: it failed, and is made again. */
export type DeliveryStatus = (typeof deliveryStatuses)[number];

/** Who closed a socket. */
export type Closer = 'server' | 'client';

/** The server's own, and those of clients that end as usual, or without a word. */
const toldCloseCodes = new Set([...Object.keys(closeCodes).map(Number), 1000, 1003, 1005, 1006]);

/** A close code as a label. A client may close with any of 2,000 codes. */
export function closeCodeLabel(code: number): string {
  return toldCloseCodes.has(code) ? String(code) : 'other';
}

/** Which kind of topic it is, by its name: it may be anything that a client has sent. */
export function topicGroupOf(topic: string): TopicGroup {
  if (topic.startsWith('session:')) return 'session';
  return topic.startsWith('inbox:') ? 'inbox' : 'other';
}
