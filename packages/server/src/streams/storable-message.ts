import type { FoldedMessage } from './message-fold.ts';

/**
 * The message as Postgres can store it: a NUL and half of a character (a stream may be cut between the halves of an
 * emoji) become U+FFFD, and a `__proto__` key is left out. To refuse the message instead would leave its turn
 * without an end. Recursion is bounded, chunks are not deep.
 */
export function storableMessage(message: FoldedMessage): FoldedMessage {
  return storable(message) as FoldedMessage;
}

function storable(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(storable);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== '__proto__')
      .map(([key, inner]) => [storableText(key), storable(inner)]),
  );
}

function storableText(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', '\ufffd') : wellFormed;
}
