import { isJsonObject, maxJsonDepth } from '@fleetlm/protocol';

/**
 * One chunk of an AI SDK UI message stream (versions 5, 6 and 7), as it came. It is data from a stranger: it is
 * read field by field and never merged into an object of ours. It is shared by everything that keeps it: nobody
 * changes it.
 */
export interface Chunk {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** The chunks that the fold knows, with the fields that `parseChunk` has checked; the others may hold anything. */
export type KnownChunk =
  | { readonly type: 'start'; readonly messageId?: string | null; readonly messageMetadata?: unknown }
  | { readonly type: 'finish' | 'message-metadata'; readonly messageMetadata?: unknown }
  | { readonly type: 'start-step' | 'finish-step' | 'reset-step' | 'abort' | 'error' }
  | TextChunk
  | PartChunk
  | ToolChunk
  | ApprovalResponse;

export type TextChunk =
  | (Described & { readonly type: 'text-start' | 'reasoning-start'; readonly id: string })
  | (Described & {
      readonly type: 'text-delta' | 'reasoning-delta';
      readonly id: string;
      readonly delta: string;
    })
  | (Described & { readonly type: 'text-end'; readonly id: string; readonly citations?: unknown })
  | (Described & { readonly type: 'reasoning-end'; readonly id: string });

/** Parts that come in one chunk. */
export type PartChunk =
  | (Described & { readonly type: 'custom'; readonly kind: string })
  | (Described & {
      readonly type: 'file' | 'reasoning-file';
      readonly url: string;
      readonly mediaType: string;
    })
  | (Described & {
      readonly type: 'source-url';
      readonly sourceId: string;
      readonly url: string;
      readonly title?: unknown;
    })
  | (Described & {
      readonly type: 'source-document';
      readonly sourceId: string;
      readonly mediaType: string;
      readonly title: string;
      readonly filename?: unknown;
    })
  | { readonly type: 'steering-message'; readonly id: string; readonly parts: readonly unknown[] };

export type ToolChunk = { readonly toolCallId: string } & (
  | (ToolCall & { readonly type: 'tool-input-start'; readonly inputEncoding?: unknown })
  | { readonly type: 'tool-input-delta'; readonly inputTextDelta: string }
  | (ToolCall & { readonly type: 'tool-input-available'; readonly input?: unknown })
  | (ToolCall & { readonly type: 'tool-input-error'; readonly input?: unknown; readonly errorText: string })
  | (ToolFacts & {
      readonly type: 'tool-output-available';
      readonly output?: unknown;
      readonly preliminary?: unknown;
    })
  | (ToolFacts & { readonly type: 'tool-output-error'; readonly errorText: string })
  | { readonly type: 'tool-output-denied' }
  | ApprovalRequest
);

/** Names its tool by the approval, not by the call. */
export interface ApprovalResponse extends Described {
  readonly type: 'tool-approval-response';
  readonly approvalId: string;
  readonly approved: boolean;
  readonly reason?: unknown;
  readonly providerExecuted?: unknown;
}

export interface ApprovalRequest {
  readonly type: 'tool-approval-request';
  readonly approvalId: string;
  readonly approvalDescriptor?: unknown;
  readonly inputSchemaInput?: unknown;
  readonly reason?: unknown;
  readonly isAutomatic?: unknown;
  readonly signature?: unknown;
}

interface Described {
  readonly providerMetadata?: unknown;
}

interface ToolFacts extends Described {
  readonly providerExecuted?: unknown;
  readonly toolMetadata?: unknown;
}

interface ToolCall extends ToolFacts {
  readonly toolName: string;
  readonly dynamic?: unknown;
  readonly title?: unknown;
}

/** What is deepest in a chunk lies three levels deeper in the message that is stored: `content.parts[…].approval`. */
const maxChunkDepth = maxJsonDepth - 3;

/** The texts without which a chunk of a known type says nothing. */
const requiredTexts: ReadonlyMap<string, readonly string[]> = new Map([
  ['text-start', ['id']],
  ['text-delta', ['id', 'delta']],
  ['text-end', ['id']],
  ['reasoning-start', ['id']],
  ['reasoning-delta', ['id', 'delta']],
  ['reasoning-end', ['id']],
  ['custom', ['kind']],
  ['file', ['url', 'mediaType']],
  ['reasoning-file', ['url', 'mediaType']],
  ['source-url', ['sourceId', 'url']],
  ['source-document', ['sourceId', 'mediaType', 'title']],
  ['steering-message', ['id']],
  ['tool-input-start', ['toolCallId', 'toolName']],
  ['tool-input-delta', ['toolCallId', 'inputTextDelta']],
  ['tool-input-available', ['toolCallId', 'toolName']],
  ['tool-input-error', ['toolCallId', 'toolName', 'errorText']],
  ['tool-output-available', ['toolCallId']],
  ['tool-output-error', ['toolCallId', 'errorText']],
  ['tool-output-denied', ['toolCallId']],
  ['tool-approval-request', ['approvalId', 'toolCallId']],
  ['tool-approval-response', ['approvalId']],
]);

/**
 * Reads parsed JSON as a chunk: the same object, or null when it is none and is to be counted as broken.
 * Unknown types and fields pass, and `finish`, `abort` and `error` whatever they hold: an end must not be lost.
 * The caller bounds the size.
 *
 * @example parseChunk({ type: 'text-delta', id: '1', delta: 'Hi' })
 */
export function parseChunk(value: unknown): Chunk | null {
  if (!isJsonObject(value) || typeof value['type'] !== 'string') return null;
  const chunk = value as Chunk;
  const isWhole = hasRequired(chunk) && !nestsDeeper(chunk, maxChunkDepth);
  return isWhole ? chunk : null;
}

export function isDataChunk(chunk: Chunk): boolean {
  return chunk.type.startsWith('data-');
}

function hasRequired(chunk: Chunk): boolean {
  const fields = requiredTexts.get(chunk.type);
  if (fields === undefined) return hasValidId(chunk);
  for (const field of fields) {
    if (typeof chunk[field] !== 'string') return false;
  }
  if (chunk.type === 'tool-approval-response') return typeof chunk['approved'] === 'boolean';
  return chunk.type !== 'steering-message' || Array.isArray(chunk['parts']);
}

/** Ids that may be missing; many languages write a missing field as null. */
function hasValidId(chunk: Chunk): boolean {
  if (chunk.type === 'start') return isTextOrMissing(chunk['messageId']);
  return !isDataChunk(chunk) || isTextOrMissing(chunk['id']);
}

function isTextOrMissing(value: unknown): boolean {
  return value === undefined || value === null || typeof value === 'string';
}

/** Recursion is bounded by `maxDepth`. A delta holds only texts and costs a look at each of its fields. */
function nestsDeeper(value: object, maxDepth: number): boolean {
  if (maxDepth === 0) return true;
  for (const key in value) {
    const inner: unknown = (value as Readonly<Record<string, unknown>>)[key];
    if (typeof inner === 'object' && inner !== null && nestsDeeper(inner, maxDepth - 1)) return true;
  }
  return false;
}
