import type { z } from 'zod';
import {
  channelHistoryReplySchema,
  emptySchema,
  inboxSnapshotSchema,
  inboxUpdateSchema,
  joinReplySchema,
  readReplySchema,
  receiptSchema,
  sendReplySchema,
  stopReplySchema,
  topicCrashSchema,
} from './channel-shapes.ts';
import type { ErrorCode } from './errors.ts';
import {
  historyPayloadSchema,
  joinPayloadSchema,
  messageSchema,
  readPayloadSchema,
  sendPayloadSchema,
  sessionSchema,
  stopPayloadSchema,
  streamChunkSchema,
} from './shapes.ts';

/** Something that a client asks of a topic; each is answered by one `phx_reply`. */
export interface ClientEvent {
  readonly summary: string;
  readonly payload: z.ZodType;
  readonly reply: z.ZodType;
  /** Beside those of `anyEventErrors`. */
  readonly errors: readonly ErrorCode[];
}

/** Something that the server tells those who have joined. */
export interface ServerEvent {
  readonly summary: string;
  readonly payload: z.ZodType;
}

export interface ChannelContract {
  /** The topic; its parameter stands in braces. */
  readonly address: string;
  readonly parameter: string | null;
  readonly summary: string;
  readonly clientEvents: Readonly<Record<string, ClientEvent>>;
  readonly serverEvents: Readonly<Record<string, ServerEvent>>;
}

/** What any frame to a topic may be answered with, whatever its event. */
export const anyEventErrors: readonly ErrorCode[] = [
  'invalid_request',
  'binary_unsupported',
  'rate_limited',
  'overloaded',
];

const leave: ClientEvent = {
  summary: 'Leave the topic',
  payload: emptySchema,
  reply: emptySchema,
  errors: [],
};

/** What may come on any topic that is joined. */
const endings = {
  token_expired: {
    summary: 'The token is over: the socket is closed with 4001 next',
    payload: emptySchema,
  },
  phx_close: { summary: 'The topic is over; clients do not join it again', payload: emptySchema },
  phx_error: { summary: 'The topic ended by a fault; clients join it again', payload: topicCrashSchema },
} satisfies Record<string, ServerEvent>;

/** The channels of FleetLM: the one list that documents, tests and the wire freeze are made from. */
export const channelContracts = {
  session: {
    address: 'session:{session_id}',
    parameter: 'session_id',
    summary: 'One session: its messages, receipts and changes',
    clientEvents: {
      phx_join: {
        summary: 'Follow the session, from the newest messages or from a cursor',
        payload: joinPayloadSchema,
        reply: joinReplySchema,
        errors: ['session_not_found', 'participant_disabled'],
      },
      send: {
        summary: 'Append a message',
        payload: sendPayloadSchema,
        reply: sendReplySchema,
        errors: [
          'forbidden',
          'participant_disabled',
          'session_not_found',
          'session_closed',
          'client_id_conflict',
          'not_a_member',
          'internal_error',
          'outcome_unknown',
        ],
      },
      read: {
        summary: 'Mark as read, up to a message or up to the end',
        payload: readPayloadSchema,
        reply: readReplySchema,
        errors: ['forbidden', 'session_not_found', 'not_a_member'],
      },
      history: {
        summary: 'Read a page of messages',
        payload: historyPayloadSchema,
        reply: channelHistoryReplySchema,
        errors: ['session_not_found'],
      },
      stop: {
        summary: 'Stop a stream, or all that agents do in the session; what came of it is kept',
        payload: stopPayloadSchema,
        reply: stopReplySchema,
        errors: ['session_not_found'],
      },
      phx_leave: leave,
    },
    serverEvents: {
      message: { summary: 'A message was stored', payload: messageSchema },
      read: { summary: 'Somebody has read on; joined for a second', payload: receiptSchema },
      stream_chunk: {
        summary: 'An agent’s answer goes on; the message comes after the last chunk',
        payload: streamChunkSchema,
      },
      session: { summary: 'Status, metadata or members have changed', payload: sessionSchema },
      ...endings,
    },
  },
  inbox: {
    address: 'inbox:{participant_id}',
    parameter: 'participant_id',
    summary: 'A participant’s inbox: its 200 sessions with the newest activity',
    clientEvents: {
      phx_join: {
        summary: 'Follow the inbox',
        payload: emptySchema,
        reply: inboxSnapshotSchema,
        errors: ['participant_not_found', 'participant_disabled'],
      },
      phx_leave: leave,
    },
    serverEvents: {
      snapshot: {
        summary: 'All of it, after something may have been missed',
        payload: inboxSnapshotSchema,
      },
      update: { summary: 'Entries that have changed; at most ten a second', payload: inboxUpdateSchema },
      ...endings,
    },
  },
  phoenix: {
    address: 'phoenix',
    parameter: null,
    summary: 'The connection itself; it is not joined',
    clientEvents: {
      heartbeat: {
        summary: 'Keep the connection open, and see that it is',
        payload: emptySchema,
        reply: emptySchema,
        errors: [],
      },
    },
    serverEvents: {},
  },
} as const satisfies Record<string, ChannelContract>;
