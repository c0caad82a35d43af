import { isJsonObject, type JsonObject } from '@fleetlm/protocol';
import { type Chunk, isDataChunk, type KnownChunk, type PartChunk, type TextChunk } from './chunk.ts';
import { copyJson, type MutableMetadata, mergeMetadata } from './message-metadata.ts';
import { isToolPart, type MessagePart, readToolPart, type ToolPart, ToolParts } from './tool-parts.ts';

/** A message as the AI SDK's `UIMessage`. */
export interface FoldedMessage {
  /** What the agent calls it; empty when it says nothing. */
  readonly id: string;
  readonly role: 'assistant';
  readonly parts: readonly MessagePart[];
  readonly metadata?: JsonObject;
}

/**
 * Folds the chunks of a stream into its message, as `readUIMessageStream` of the AI SDK 7 does. Streams of
 * the versions 5 and 6 fold to what these read, except that the input of a call that could not be made is in
 * `input`, where they have it in `rawInput`. A plain data structure.
 *
 * Where it differs, so that nothing a stranger sends can throw or cost more than it weighs:
 * - A chunk that the SDK throws at (a delta, an end, an output of what has not begun) changes nothing:
 *   `apply` says false, and whoever shows the stream leaves it out.
 * - Metadata that is no object is left out; the SDK keeps it, and spreads its characters into keys.
 * - The input of a tool that nests too deep to be stored is undefined while it streams.
 *
 * `abort`, `error` and a stream that just ends change nothing, in the SDK as here: a text that was cut stays
 * `streaming`, a tool's input `input-streaming`. What a reader should make of that says the message's
 * termination.
 */
export class MessageFold {
  #id = '';
  #metadata: MutableMetadata | null = null;
  #parts: (MessagePart | ToolPart)[] = [];
  /** Where the parts of the current step begin. */
  #stepStart = 0;
  #texts = new Map<string, TextPart>();
  #reasonings = new Map<string, TextPart>();
  #data = new Map<string, DataPart>();
  #tools = this.#createTools();
  #carriedBefore = 0;

  /** The message so far. Its parts are copies, what they hold belongs to the chunks. */
  get message(): FoldedMessage {
    return this.messageWith(null);
  }

  /**
   * The message as it would be after `last`, which is not applied: of the chunks that end a stream, only
   * `finish` has something for it.
   */
  messageWith(last: Chunk | null): FoldedMessage {
    const metadata = this.#metadataWith(last?.type === 'finish' ? last['messageMetadata'] : null);
    return {
      id: this.#id,
      role: 'assistant',
      parts: this.#parts.map((part) => (isToolPart(part) ? readToolPart(part) : { ...part })),
      ...(metadata === null ? {} : { metadata }),
    };
  }

  /** See `ToolParts.carriedSize`; of all that was folded, also of what is gone from the message. */
  get carriedSize(): number {
    return this.#carriedBefore + this.#tools.carriedSize;
  }

  /** False when the chunk has no place in the stream: nothing has changed, and it should not be shown. */
  apply(chunk: Chunk): boolean {
    if (isDataChunk(chunk)) {
      this.#applyData(chunk);
      return true;
    }
    const known = chunk as KnownChunk;
    switch (known.type) {
      case 'start':
        this.#start(known.messageId ?? null);
        this.#mergeMetadata(known.messageMetadata);
        return true;
      case 'finish':
      case 'message-metadata':
        this.#mergeMetadata(known.messageMetadata);
        return true;
      case 'start-step':
        this.#startStep();
        return true;
      case 'reset-step':
        this.#resetStep();
        return true;
      case 'tool-input-start':
      case 'tool-input-delta':
      case 'tool-input-available':
      case 'tool-input-error':
      case 'tool-output-available':
      case 'tool-output-error':
      case 'tool-output-denied':
      case 'tool-approval-request':
      case 'tool-approval-response':
        return this.#tools.apply(known);
      case 'text-start':
      case 'reasoning-start':
        return this.#startText(known.type, known.id, known.providerMetadata);
      case 'text-delta':
        return continueText(this.#texts.get(known.id), known);
      case 'reasoning-delta':
        return continueText(this.#reasonings.get(known.id), known);
      case 'text-end':
      case 'reasoning-end':
        return this.#endText(known);
      case 'custom':
      case 'file':
      case 'reasoning-file':
      case 'source-url':
      case 'source-document':
      case 'steering-message':
        this.#parts.push(partOf(known));
        return true;
      case 'finish-step':
      case 'abort':
      case 'error':
        return true;
      default:
        return isOfUnknownType(known);
    }
  }

  #startText(type: `${'text' | 'reasoning'}-start`, id: string, providerMetadata: unknown): true {
    const part: TextPart =
      type === 'text-start'
        ? { type: 'text', text: '', providerMetadata, state: 'streaming' }
        : { type: 'reasoning', id, text: '', providerMetadata, state: 'streaming' };
    (type === 'text-start' ? this.#texts : this.#reasonings).set(id, part);
    this.#parts.push(part);
    return true;
  }

  #endText(chunk: Extract<TextChunk, { type: 'text-end' | 'reasoning-end' }>): boolean {
    const open = chunk.type === 'text-end' ? this.#texts : this.#reasonings;
    const part = open.get(chunk.id);
    if (part === undefined) return false;
    open.delete(chunk.id);
    part.state = 'done';
    part.providerMetadata = chunk.providerMetadata ?? part.providerMetadata;
    if (chunk.type === 'text-end') part.citations = chunk.citations ?? undefined;
    return true;
  }

  /** A part of the same type and id gets the new data; a transient one is for who listens now. */
  #applyData(chunk: Chunk): void {
    if (chunk['transient']) return;
    if (typeof chunk['id'] !== 'string') {
      this.#parts.push(chunk);
      return;
    }
    const key = dataKey(chunk);
    const known = this.#data.get(key);
    if (known !== undefined) {
      known.data = chunk['data'];
      return;
    }
    const part: DataPart = { ...chunk, data: chunk['data'] };
    this.#parts.push(part);
    this.#data.set(key, part);
  }

  #startStep(): void {
    this.#parts.push({ type: 'step-start' });
    this.#stepStart = this.#parts.length;
    this.#tools.beginStep();
  }

  /** The model begins the step anew: what it has said in it is gone. */
  #resetStep(): void {
    for (const part of this.#parts.splice(this.#stepStart)) {
      if (isDataPart(part)) this.#data.delete(dataKey(part));
    }
    this.#texts.clear();
    this.#reasonings.clear();
    this.#tools.resetStep();
  }

  /** Another id than the one there was begins another message. */
  #start(messageId: string | null): void {
    if (messageId === null || messageId === this.#id) return;
    this.#id = messageId;
    this.#metadata = null;
    this.#parts = [];
    this.#stepStart = 0;
    this.#texts.clear();
    this.#reasonings.clear();
    this.#data.clear();
    this.#carriedBefore += this.#tools.carriedSize;
    this.#tools = this.#createTools();
  }

  #createTools(): ToolParts {
    return new ToolParts((part) => this.#parts.push(part));
  }

  #mergeMetadata(metadata: unknown): void {
    if (isJsonObject(metadata)) this.#metadata = mergeInto(this.#metadata, metadata);
  }

  #metadataWith(metadata: unknown): JsonObject | null {
    const own = this.#metadata === null ? null : copyJson(this.#metadata);
    return isJsonObject(metadata) ? mergeInto(own, metadata) : own;
  }
}

interface TextPart {
  readonly type: 'text' | 'reasoning';
  readonly id?: string;
  text: string;
  state: 'streaming' | 'done';
  providerMetadata: unknown;
  citations?: unknown;
  readonly [field: string]: unknown;
}

interface DataPart {
  readonly type: string;
  data: unknown;
  readonly [field: string]: unknown;
}

function continueText(
  part: TextPart | undefined,
  { delta, providerMetadata }: { readonly delta: string; readonly providerMetadata?: unknown },
): boolean {
  if (part === undefined) return false;
  part.text += delta;
  part.providerMetadata = providerMetadata ?? part.providerMetadata;
  return true;
}

/** The SDK's fields of a part that comes whole, and no others. */
function partOf(chunk: PartChunk): MessagePart {
  switch (chunk.type) {
    case 'custom': {
      const { type, kind, providerMetadata } = chunk;
      return { type, kind, providerMetadata };
    }
    case 'file':
    case 'reasoning-file': {
      const { type, mediaType, url, providerMetadata } = chunk;
      return { type, mediaType, url, providerMetadata: providerMetadata ?? undefined };
    }
    case 'source-url': {
      const { type, sourceId, url, title, providerMetadata } = chunk;
      return { type, sourceId, url, title, providerMetadata };
    }
    case 'source-document': {
      const { type, sourceId, mediaType, title, filename, providerMetadata } = chunk;
      return { type, sourceId, mediaType, title, filename, providerMetadata };
    }
    case 'steering-message': {
      const { type, id, parts } = chunk;
      return { type, id, parts };
    }
  }
}

/** It has its place anywhere. All known types have a case: the compiler checks it. */
function isOfUnknownType(_chunk: never): true {
  return true;
}

/** The first metadata is taken as it is, with keys that a merge leaves out. */
function mergeInto(target: MutableMetadata | null, source: JsonObject): MutableMetadata {
  return target === null ? { ...copyJson(source) } : mergeMetadata(target, source);
}

function dataKey(chunk: MessagePart): string {
  // The length keeps the type and the id apart, whatever is in them.
  return `${chunk.type.length} ${chunk.type}${chunk['id']}`;
}

function isDataPart(part: MessagePart | ToolPart): part is DataPart {
  return part.type.startsWith('data-');
}
