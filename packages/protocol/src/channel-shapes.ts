/** The shapes that the server sends over channels: replies, and the payloads of its events. */

import { z } from 'zod';
import {
  clientIdSchema,
  countSchema,
  cursorSchema,
  errorCodeSchema,
  fieldErrorsSchema,
  inboxConversationSchema,
  messageIdSchema,
  messageSchema,
  participantIdSchema,
  runningStreamSchema,
  seqSchema,
  sessionIdSchema,
  sessionSchema,
  timestampSchema,
  turnIdSchema,
} from './shapes.ts';

/** The reply to joining `session:<id>`; `streams` are the answers that agents are writing now. */
export const joinReplySchema = z.object({
  session_id: sessionIdSchema,
  session: sessionSchema,
  messages: z.array(messageSchema),
  last_seq: cursorSchema,
  streams: z.array(runningStreamSchema),
});

/** The reply to `send`. */
export const sendReplySchema = z.object({
  message: z.object({
    id: messageIdSchema,
    seq: seqSchema,
    inserted_at: timestampSchema,
    client_id: clientIdSchema.optional(),
  }),
  deduplicated: z.boolean(),
});

/** The reply to `read`. */
export const readReplySchema = z.object({ last_read_seq: cursorSchema, unread_count: countSchema });

/** The reply to `history`. */
export const channelHistoryReplySchema = z.object({
  messages: z.array(messageSchema),
  has_more_before: z.boolean(),
  has_more_after: z.boolean(),
});

/** The reply to `stop`: the turns that end by it. */
export const stopReplySchema = z.object({ stopped: z.array(turnIdSchema) });

/** The event `read`: somebody has read on. */
export const receiptSchema = z.object({
  participant_id: participantIdSchema,
  last_read_seq: cursorSchema,
  last_read_at: timestampSchema.nullable(),
});

/** The reply to joining `inbox:<participant>`, and the event `snapshot`: all of it. */
export const inboxSnapshotSchema = z.object({
  conversations: z.array(inboxConversationSchema),
  version: countSchema,
});

/** The event `update`: what has changed. */
export const inboxUpdateSchema = z.object({
  conversations: z.array(inboxConversationSchema),
  removed: z.array(sessionIdSchema),
  version: countSchema,
});

/** An empty payload: of `token_expired`, `phx_close`, and of the reply to a leave or heartbeat. */
export const emptySchema = z.object({});

/** The response of a reply with status `error`. */
export const errorReplySchema = z.object({
  reason: errorCodeSchema,
  message: z.string(),
  retryable: z.boolean(),
  errors: fieldErrorsSchema.optional(),
});

/** Phoenix's own reasons, which stand alone. */
export const phoenixReasons = ['unmatched topic', 'join crashed', 'too many channels joined'] as const;
export const phoenixRefusalSchema = z.object({ reason: z.enum(phoenixReasons) });

/** The payload of `phx_error`: the topic ended by a fault, and may be joined again. */
export const topicCrashSchema = z.object({ reason: z.literal('channel_crash') });
