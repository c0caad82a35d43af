import { readUIMessageStream as readBySdk7 } from 'ai';
import { readUIMessageStream as readBySdk5 } from 'ai5';
import { readUIMessageStream as readBySdk6 } from 'ai6';
import type { Chunk } from '../../src/streams/chunk.ts';
import { type FoldedMessage, MessageFold } from '../../src/streams/message-fold.ts';

export type SdkVersion = 5 | 6 | 7;

export interface SdkReading {
  /** As JSON: fields that are undefined are left out. */
  readonly message: FoldedMessage;
  /** Why the SDK gave up, or null when it read to the end. */
  readonly error: unknown;
}

type Read = (options: {
  stream: ReadableStream;
  onError: (error: unknown) => void;
}) => AsyncIterable<unknown>;

const readers: Readonly<Record<SdkVersion, Read>> = {
  5: readBySdk5 as Read,
  6: readBySdk6 as Read,
  7: readBySdk7 as Read,
};

/**
 * The last message that the AI SDK reads from `chunks`. It shows its state after most chunks, but not after a
 * `start-step`; so one more part follows, which makes it show the state as it is at the end, and is taken away.
 */
export async function readBySdk(chunks: readonly Chunk[], version: SdkVersion = 7): Promise<SdkReading> {
  const copies: Chunk[] = structuredClone([...chunks, mark]);
  let error: unknown = null;
  // An error chunk is told as well, and ends nothing.
  const onError = (reason: unknown) => {
    if (!isTold(reason, chunks)) error ??= reason;
  };
  let last: unknown = null;
  for await (const message of readers[version]({ stream: ReadableStream.from(copies), onError }))
    last = message;
  return { message: withoutMark(last as FoldedMessage | null), error };
}

/** What our fold makes of them, and the places of the chunks that it had no place for. */
export function foldAll(chunks: readonly Chunk[]): { message: FoldedMessage; dropped: number[] } {
  const fold = new MessageFold();
  const dropped = chunks.flatMap((chunk, index) => (fold.apply(chunk) ? [] : [index]));
  return { message: asJson(fold.message), dropped };
}

export function asJson<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value));
}

const mark = { type: 'data-read-to-the-end' };

function withoutMark(message: FoldedMessage | null): FoldedMessage {
  if (message === null) return { id: '', role: 'assistant', parts: [] };
  const json = asJson(message);
  return { ...json, parts: json.parts.filter(({ type }) => type !== mark.type) };
}

function isTold(error: unknown, chunks: readonly Chunk[]): boolean {
  return (
    error instanceof Error &&
    chunks.some(({ type, errorText }) => type === 'error' && errorText === error.message)
  );
}
