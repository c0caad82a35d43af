import {
  cursorSchema,
  inboxConversationSchema,
  messageSchema,
  participantIdSchema,
  sessionIdSchema,
  sessionSchema,
} from '@fleetlm/protocol';
import { z } from 'zod';

/** What channels answer and push, as `docs/channels.md` has it; unknown fields are tolerated. */
export const sessionJoinSchema = z.object({
  session_id: sessionIdSchema,
  session: sessionSchema,
  messages: z.array(messageSchema),
  last_seq: cursorSchema,
  streams: z.array(z.unknown()),
});
export const sentSchema = z.object({
  message: messageSchema.pick({ id: true, seq: true, inserted_at: true, client_id: true }),
  deduplicated: z.boolean(),
});
export const readSchema = z.object({ last_read_seq: cursorSchema, unread_count: z.int().min(0) });
export const historySchema = z.object({
  messages: z.array(messageSchema),
  has_more_before: z.boolean(),
  has_more_after: z.boolean(),
});
export const receiptSchema = z.object({
  participant_id: participantIdSchema,
  last_read_seq: cursorSchema,
  last_read_at: z.iso.datetime(),
});
export const snapshotSchema = z.object({
  conversations: z.array(inboxConversationSchema),
  version: z.int(),
});
export const updateSchema = snapshotSchema.extend({ removed: z.array(sessionIdSchema) });
