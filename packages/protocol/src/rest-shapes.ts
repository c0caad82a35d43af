/**
 * The shapes of REST: what bodies and query strings may hold, and what replies hold. In a body, null counts as
 * absent. A query string holds texts: numbers are read strictly.
 */

import { z } from 'zod';
import { type ParticipantId, parseParticipantId } from './ids.ts';
import { findJsonProblem, isJsonObject } from './json.ts';
import { objectShape, optionalObjectShape } from './object-shape.ts';
import {
  clientIdSchema,
  cursorSchema,
  defaultPageSize,
  draftFields,
  errorCodeSchema,
  fieldErrorsSchema,
  inboxConversationSchema,
  listedStreamSchema,
  memberSchema,
  messageIdSchema,
  messageSchema,
  namesOneMessage,
  pageSizeSchema,
  participantIdSchema,
  participantKinds,
  participantSchema,
  participantStatuses,
  readFields,
  seqSchema,
  sessionKinds,
  sessionSchema,
  sessionStatuses,
  stopFields,
  storableObjectSchema,
  streamIdSchema,
  terminations,
  turnIdSchema,
  turnStatuses,
  wakes,
} from './shapes.ts';

/** Longest display name, in UTF-16 units: it is shown beside each message, not read on its own. */
export const maxDisplayNameLength = 256;

/** `PUT /api/participants/:id`. A `display_name` of null takes the name away. */
export const participantBodySchema = optionalObjectShape(
  {
    kind: oneOf(participantKinds).optional(),
    display_name: displayNameSchema().nullish(),
    status: oneOf(participantStatuses).optional(),
    metadata: storableObjectSchema.optional(),
  },
  ['display_name'],
);

/** `POST /api/sessions` without a kind. */
export const directSessionBodySchema = objectShape({
  kind: z.undefined('must be "group", or left out for a direct session').meta({ type: 'null' }).optional(),
  initiator_id: participantIdSchema,
  peer_id: participantIdSchema,
  metadata: storableObjectSchema.default({}),
});

/** `POST /api/sessions` of kind `group`. */
export const groupSessionBodySchema = objectShape({
  kind: z.literal('group'),
  initiator_id: participantIdSchema,
  // One issue for the whole list: 100,000 bad ids must not become 100,000 texts.
  member_ids: z
    .custom<readonly ParticipantId[]>(
      (value) => Array.isArray(value) && value.every((id) => parseParticipantId(id) !== null),
      'must be an array of participant ids',
    )
    .meta({ type: 'array', items: { $ref: '#/components/schemas/ParticipantId' } }),
  metadata: storableObjectSchema.default({}),
});

/** `POST /api/sessions`. No plain union, so that each bad field is named as its kind of session has it. */
export const sessionBodySchema = z
  .unknown()
  .transform((value, context) => {
    const isGroup = isJsonObject(value) && value['kind'] === 'group';
    const parsed = (isGroup ? groupSessionBodySchema : directSessionBodySchema).safeParse(value);
    if (parsed.success) return parsed.data;
    for (const { message, path } of parsed.error.issues) {
      context.addIssue({ code: 'custom', message, path: [...path] });
    }
    return z.NEVER;
  })
  .meta({
    anyOf: ['DirectSessionBody', 'GroupSessionBody'].map((name) => ({
      $ref: `#/components/schemas/${name}`,
    })),
  });

/** `PATCH /api/sessions/:id`. */
export const sessionChangeBodySchema = objectShape({
  status: oneOf(sessionStatuses).optional(),
  metadata: storableObjectSchema.optional(),
});

/** `PUT /api/sessions/:id/members/:participant_id`. */
export const memberBodySchema = optionalObjectShape({ wake: oneOf(wakes).optional() });

/** `POST /api/sessions/:id/messages`. */
export const appendBodySchema = objectShape({
  ...draftFields,
  sender_id: participantIdSchema.optional(),
  client_id: clientIdSchema.optional(),
});

/** `POST /api/sessions/:id/read`: up to a message, by id or seq; without either, to the end. */
export const readBodySchema = optionalObjectShape(readFields).refine(namesOneMessage, {
  path: ['seq'],
  message: 'must be left out when message_id is given',
});

/** `POST /api/sessions/:id/stop`. */
export const stopBodySchema = optionalObjectShape(stopFields);

/** `POST /api/sessions/:id/streams`: whose stream it is; a participant's is its own. */
export const streamWriteQuerySchema = z.object({ agent_id: participantIdSchema.optional() });

const pageQuery = {
  cursor: z.string('must be a next_cursor of an earlier page').optional(),
  limit: queryInteger(pageSizeSchema.unwrap()).default(defaultPageSize),
};

/** `GET /api/participants`. */
export const participantsQuerySchema = z.object({
  kind: oneOf(participantKinds).optional(),
  status: oneOf(participantStatuses).optional(),
  ...pageQuery,
});

/** `GET /api/sessions`. */
export const sessionsQuerySchema = z.object({
  participant_id: participantIdSchema.optional(),
  kind: oneOf(sessionKinds).optional(),
  status: oneOf(sessionStatuses).optional(),
  ...pageQuery,
});

/** `GET /api/sessions/:id/messages`. */
export const historyQuerySchema = z
  .object({
    after_seq: queryInteger(cursorSchema).optional(),
    before_seq: queryInteger(cursorSchema).optional(),
    after_id: messageIdSchema.optional(),
    limit: pageQuery.limit,
  })
  .refine(({ after_id, after_seq }) => after_id === undefined || after_seq === undefined, {
    path: ['after_id'],
    message: 'must be left out when after_seq is given',
  });

/** `GET /api/participants/:id/inbox`. */
export const inboxQuerySchema = z.object(pageQuery);

/** `GET /api/agents/:id/turns`. */
export const turnsQuerySchema = z.object({ status: oneOf(turnStatuses).optional(), ...pageQuery });

/** `GET /api/agents/:id/deliveries`. */
export const deliveriesQuerySchema = z.object(pageQuery);

const nextCursorSchema = z.string().nullable();

export const participantReplySchema = z.object({ participant: participantSchema });
export const participantsReplySchema = z.object({
  participants: z.array(participantSchema),
  next_cursor: nextCursorSchema,
});
export const sessionReplySchema = z.object({ session: sessionSchema });
export const sessionsReplySchema = z.object({
  sessions: z.array(sessionSchema),
  next_cursor: nextCursorSchema,
});
export const inboxReplySchema = z.object({
  conversations: z.array(inboxConversationSchema),
  next_cursor: nextCursorSchema,
});
export const membersReplySchema = z.object({ members: z.array(memberSchema) });
export const appendReplySchema = z.object({ message: messageSchema, deduplicated: z.boolean() });
export const historyReplySchema = z.object({
  messages: z.array(messageSchema),
  has_more_before: z.boolean(),
  has_more_after: z.boolean(),
  last_seq: cursorSchema,
});

/** The answers that are being written in a session, oldest first. */
export const streamsReplySchema = z.object({ streams: z.array(listedStreamSchema) });

/** What became of a stream that was written; `seq` is null when nothing was said. */
export const streamWriteReplySchema = z.object({
  turn_id: turnIdSchema,
  stream_id: streamIdSchema,
  message_id: messageIdSchema,
  seq: seqSchema.nullable(),
  termination: z.enum(terminations),
});

/** An error as `application/problem+json` (RFC 9457). */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: errorCodeSchema,
  detail: z.string(),
  request_id: z.string(),
  retryable: z.boolean(),
  errors: fieldErrorsSchema.optional(),
});
export type Problem = z.infer<typeof problemSchema>;

function oneOf<const Values extends readonly string[]>(values: Values) {
  return z.enum(values, `must be one of ${values.join(', ')}`);
}

function queryInteger(schema: z.ZodType<number, number>) {
  return z
    .custom<string>((value) => typeof value === 'string' && /^-?\d+$/.test(value), 'must be an integer')
    .transform(Number)
    .pipe(schema);
}

function displayNameSchema() {
  const hint = `must be a text of at most ${maxDisplayNameLength} characters`;
  return z
    .custom<string>(
      (value) =>
        typeof value === 'string' && value.length <= maxDisplayNameLength && findJsonProblem(value) === null,
      hint,
    )
    .meta({ type: 'string', maxLength: maxDisplayNameLength });
}
