/**
 * The JSON shapes of the wire, one zod schema each: it validates, gives the TypeScript type, and documents.
 * Requests ignore unknown fields; readers of replies must tolerate them.
 */

import { z } from 'zod';
import type { ErrorCode } from './errors.ts';
import {
  hopLimitKeyPrefix,
  isIdText,
  isServerKey,
  type MessageId,
  maxIdLength,
  type ParticipantId,
  parseMessageId,
  parseParticipantId,
  parseSessionId,
  parseStreamId,
  parseTurnId,
  type Seq,
  type SessionId,
  type StreamId,
  type TurnId,
  turnKeyPrefix,
} from './ids.ts';
import { findJsonProblem, isJsonObject, type JsonObject } from './json.ts';
import { objectShape } from './object-shape.ts';

const idHint = `must be 1 to ${maxIdLength} characters without control characters`;

/** `meta` is what a custom check looks like in JSON Schema; it checks nothing. */
const serverKeyHint = `must not begin with ${turnKeyPrefix} or ${hopLimitKeyPrefix}, as the server's own do`;
const idText = {
  type: 'string',
  minLength: 1,
  maxLength: maxIdLength,
  pattern: '^[^\\u0000-\\u001f\\u007f]+$',
};
const ulid = { type: 'string', pattern: '^[0-7][0-9A-HJKMNP-TV-Z]{25}$' };

export const participantIdSchema = z
  .custom<ParticipantId>((value) => parseParticipantId(value) !== null, idHint)
  .meta({
    ...idText,
    description: 'The application’s own id, by convention `user:<slug>`',
    examples: ['user:alice'],
  });
export const sessionIdSchema = z
  .custom<SessionId>((value) => parseSessionId(value) !== null, 'must be a session id')
  .meta({ ...ulid, description: 'Opaque', examples: ['01K9WQ3M5T8X2Y4Z6A7B8C9D0E'] });
export const messageIdSchema = z
  .custom<MessageId>((value) => parseMessageId(value) !== null, 'must be a message id')
  .meta({ ...ulid, description: 'Opaque', examples: ['01K9WQ4N6V9Y3Z5A7B8C9D0E1F'] });
export const turnIdSchema = z
  .custom<TurnId>((value) => parseTurnId(value) !== null, 'must be a turn id')
  .meta({ ...ulid, description: 'Opaque', examples: ['01K9WQ5P7W0Z4A6B8C9D0E1F2G'] });
export const streamIdSchema = z
  .custom<StreamId>((value) => parseStreamId(value) !== null, 'must be a stream id')
  .meta({ ...ulid, description: 'Opaque', examples: ['01K9WQ6Q8X1A5B7C9D0E1F2G3H'] });
export const seqSchema = z
  .custom<Seq>((value) => Number.isSafeInteger(value) && (value as number) >= 1, 'must be a positive integer')
  .meta({ type: 'integer', minimum: 1, description: 'A message’s place in its session', examples: [1] });
export const countSchema = z.int('must be an integer').min(0, 'must not be negative');
export const cursorSchema = countSchema.meta({
  description: 'A seq that a reader has reached; 0 is before the first message',
});
export const clientIdSchema = z
  .custom<string>((value) => isIdText(value) && !isServerKey(value), {
    error: ({ input }) => (isServerKey(input) ? serverKeyHint : idHint),
  })
  .meta({
    ...idText,
    description: `The sender’s own key: a repetition stores nothing. It ${serverKeyHint}`,
    examples: ['hello-1'],
  });

/** An object that can be stored: see `findJsonProblem`. */
export const storableObjectSchema = z
  .unknown()
  .transform((value, context): JsonObject => {
    const problem = isJsonObject(value) ? findJsonProblem(value) : 'must be an object';
    if (problem === null) return value as JsonObject;
    context.addIssue({ code: 'custom', message: problem });
    return z.NEVER;
  })
  .meta({ type: 'object', additionalProperties: {} });

/** Most items of one page: bounds the work that one call can ask for. */
export const maxPageSize = 200;
export const defaultPageSize = 50;
export const pageSizeSchema = z
  .int('must be an integer')
  .min(1, 'must be at least 1')
  .max(maxPageSize, `must be at most ${maxPageSize}`)
  .default(defaultPageSize);

export const participantKinds = ['user', 'agent', 'system'] as const;
export const participantStatuses = ['active', 'disabled'] as const;
export const sessionKinds = ['human_dm', 'agent_dm', 'group'] as const;
export const sessionStatuses = ['open', 'closed', 'archived'] as const;
/** When a message wakes an agent that is a member of a group. */
export const wakes = ['mention', 'always', 'never'] as const;
export const messageKinds = ['text', 'system', 'tool_call', 'assistant'] as const;

/** A turn is work to do, work under way, or over: see docs/agents.md. */
export const turnStatuses = ['pending', 'running', 'completed', 'failed', 'stopped', 'dead'] as const;

export type ParticipantKind = (typeof participantKinds)[number];
export type SessionKind = (typeof sessionKinds)[number];
export type SessionStatus = (typeof sessionStatuses)[number];
export type MessageKind = (typeof messageKinds)[number];
export type TurnStatus = (typeof turnStatuses)[number];

export const timestampSchema = z.iso.datetime();

export const participantSchema = z.object({
  id: participantIdSchema,
  kind: z.enum(participantKinds),
  display_name: z.string().nullable(),
  status: z.enum(participantStatuses),
  metadata: z.record(z.string(), z.unknown()),
  inserted_at: timestampSchema,
  updated_at: timestampSchema,
});
export type Participant = z.infer<typeof participantSchema>;

export const messageSchema = z.object({
  id: messageIdSchema,
  session_id: sessionIdSchema,
  seq: seqSchema,
  sender_id: participantIdSchema,
  kind: z.enum(messageKinds),
  content: z.record(z.string(), z.unknown()),
  metadata: z.record(z.string(), z.unknown()),
  client_id: z.string().optional(),
  inserted_at: timestampSchema,
});
export type Message = z.infer<typeof messageSchema>;

export const sessionSchema = z.object({
  id: sessionIdSchema,
  kind: z.enum(sessionKinds),
  status: z.enum(sessionStatuses),
  initiator_id: participantIdSchema,
  peer_id: participantIdSchema.nullable(),
  agent_id: participantIdSchema.nullable(),
  metadata: z.record(z.string(), z.unknown()),
  version: z.int(),
  last_seq: cursorSchema,
  last_message_id: messageIdSchema.nullable(),
  last_message_at: timestampSchema.nullable(),
  initiator_last_read_id: messageIdSchema.nullable(),
  initiator_last_read_at: timestampSchema.nullable(),
  peer_last_read_id: messageIdSchema.nullable(),
  peer_last_read_at: timestampSchema.nullable(),
  inserted_at: timestampSchema,
  updated_at: timestampSchema,
});
export type Session = z.infer<typeof sessionSchema>;

/** A session as an inbox shows it. */
export const inboxConversationSchema = z.object({
  session_id: sessionIdSchema,
  kind: z.enum(sessionKinds),
  status: z.enum(sessionStatuses),
  metadata: z.record(z.string(), z.unknown()),
  last_seq: cursorSchema,
  last_message_id: messageIdSchema.nullable(),
  last_message_at: timestampSchema.nullable(),
  last_message_preview: z.string().nullable(),
  agent_id: participantIdSchema.nullable(),
  initiator_id: participantIdSchema,
  peer_id: participantIdSchema.nullable(),
  initiator_last_read_id: messageIdSchema.nullable(),
  initiator_last_read_at: timestampSchema.nullable(),
  peer_last_read_id: messageIdSchema.nullable(),
  peer_last_read_at: timestampSchema.nullable(),
  unread_count: countSchema,
});
export type InboxConversation = z.infer<typeof inboxConversationSchema>;

export const memberSchema = z.object({
  participant_id: participantIdSchema,
  role: z.enum(['initiator', 'peer', 'member']),
  wake: z.enum(wakes),
  last_read_seq: cursorSchema,
  joined_at: timestampSchema,
});
export type Member = z.infer<typeof memberSchema>;

/** A chunk of an AI SDK UI message stream; which fields there are depends on its type. */
export const chunkSchema = z
  .looseObject({ type: z.string() })
  .meta({ description: 'A chunk of an AI SDK UI message stream' });

/** An answer of an agent that is being written, and will be stored as the message of this id. */
const streamFields = {
  stream_id: streamIdSchema,
  message_id: messageIdSchema,
  turn_id: turnIdSchema,
  agent_id: participantIdSchema,
};

/** A stream as a joiner finds it: `chunks` are those before `next_index`, as few as make the same message. */
export const runningStreamSchema = z.object({
  ...streamFields,
  next_index: countSchema,
  chunks: z.array(chunkSchema),
});

/** A stream as a list has it: its chunks are read from it, or come by its session's channel. */
export const listedStreamSchema = z.object({ ...streamFields, next_index: countSchema });
export type ListedStream = z.infer<typeof listedStreamSchema>;

/** The event `stream_chunk`: indexes have no gaps, and the last chunk is a `finish`, an `abort` or an `error`. */
export const streamChunkSchema = z.object({ ...streamFields, index: countSchema, chunk: chunkSchema });

export const terminations = ['finish', 'stopped', 'interrupted', 'error'] as const;

/** A code of the error table. Readers must tolerate codes that they do not know. */
export const errorCodeSchema = z
  .custom<ErrorCode>((value) => typeof value === 'string')
  .meta({ type: 'string', examples: ['session_not_found'] });

/** What is wrong with each field; a nested field is named with dots, the whole value `body`. */
export const fieldErrorsSchema = z.record(z.string(), z.array(z.string()));

/** The fields of a message as its sender writes it, in REST bodies and inside the channel's `send`. */
export const draftFields = {
  kind: z.enum(messageKinds, `must be one of ${messageKinds.join(', ')}`).default('text'),
  content: storableObjectSchema,
  metadata: storableObjectSchema.default({}),
};
export const draftSchema = objectShape(draftFields);
export type DraftInput = z.infer<typeof draftSchema>;

/** `phx_join` of `session:<id>`. */
export const joinPayloadSchema = objectShape({
  last_seq: cursorSchema.optional(),
  limit: pageSizeSchema,
});

/** `send` on `session:<id>`. */
export const sendPayloadSchema = objectShape({
  content: draftSchema,
  client_id: clientIdSchema.optional(),
  sender_id: participantIdSchema.optional(),
});

/** `read` on `session:<id>`: up to a message, by id or seq; without either, to the end. */
export const readFields = {
  participant_id: participantIdSchema.optional(),
  message_id: messageIdSchema.optional(),
  seq: cursorSchema.optional(),
};
export const readPayloadSchema = objectShape(readFields).refine(namesOneMessage, {
  path: ['seq'],
  message: 'must be left out when message_id is given',
});

/** Whether a request to mark read says at most once up to where. */
export function namesOneMessage(request: { message_id?: unknown; seq?: unknown }): boolean {
  return request.message_id === undefined || request.seq === undefined;
}

/** `stop` on `session:<id>`: one stream, or all that agents do in the session. */
export const stopFields = { stream_id: streamIdSchema.optional() };
export const stopPayloadSchema = objectShape(stopFields);

/** `history` on `session:<id>`. */
export const historyPayloadSchema = objectShape({
  before_seq: cursorSchema.optional(),
  after_seq: cursorSchema.optional(),
  limit: pageSizeSchema,
});
