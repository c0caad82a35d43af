/**
 * Branded ids. A plain string becomes one only by a parse function here, at an edge; inside, the types are
 * trusted.
 */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** A session's ULID: 26 characters, opaque to clients. */
export type SessionId = Branded<string, 'SessionId'>;
/** A participant's id: the caller's own string, 1–128 characters, by convention `user:<slug>`. */
export type ParticipantId = Branded<string, 'ParticipantId'>;
/** A message's ULID. */
export type MessageId = Branded<string, 'MessageId'>;
/** A turn's ULID. */
export type TurnId = Branded<string, 'TurnId'>;
/** A stream's ULID. */
export type StreamId = Branded<string, 'StreamId'>;
/** A message's position in its session: 1, 2, 3… without gaps. */
export type Seq = Branded<number, 'Seq'>;

/** Longest participant id, client_id and kind, in UTF-16 units: room for any key, small enough to index. */
export const maxIdLength = 128;

/** What the `client_id` of a message begins with that the server stores for a turn. */
export const turnKeyPrefix = 'turn:';
/** The same, of a message that says that agents are not called any more. */
export const hopLimitKeyPrefix = 'hop-limit:';

const ulidPattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const controlCharacters = /[\u0000-\u001f\u007f]/;

/** The session id in `value`, or null when no session can have such an id. */
export function parseSessionId(value: unknown): SessionId | null {
  return typeof value === 'string' && ulidPattern.test(value) ? (value as SessionId) : null;
}

/** The message id in `value`, or null when no message can have such an id. */
export function parseMessageId(value: unknown): MessageId | null {
  return typeof value === 'string' && ulidPattern.test(value) ? (value as MessageId) : null;
}

/** The turn id in `value`, or null when no turn can have such an id. */
export function parseTurnId(value: unknown): TurnId | null {
  return typeof value === 'string' && ulidPattern.test(value) ? (value as TurnId) : null;
}

/** The stream id in `value`, or null when no stream can have such an id. */
export function parseStreamId(value: unknown): StreamId | null {
  return typeof value === 'string' && ulidPattern.test(value) ? (value as StreamId) : null;
}

/** The participant id in `value`, or null: 1–128 characters, well-formed Unicode, no control characters. */
export function parseParticipantId(value: unknown): ParticipantId | null {
  return isIdText(value) ? (value as ParticipantId) : null;
}

/** Whether `value` is a key that only the server uses: a caller that took it would keep an answer out of the log. */
export function isServerKey(value: unknown): boolean {
  return (
    typeof value === 'string' && (value.startsWith(turnKeyPrefix) || value.startsWith(hopLimitKeyPrefix))
  );
}

/** Whether `value` is a text that may serve as an id or key: see `parseParticipantId`. */
export function isIdText(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= maxIdLength &&
    value.isWellFormed() &&
    !controlCharacters.test(value)
  );
}
