import { maxJsonDepth } from '@fleetlm/protocol';
import { nestsDeeper } from '../../lib/json-depth.ts';

/** Below this brackets keep `JSON.parse` busy for 0.2 ms at most, and nearly all chunks are shorter. */
const harmlessLength = 4 << 10;

/** The value of a JSON text, or undefined when it is none or nests too deep to be any message. */
export function parseJson(text: string): unknown {
  if (text.length > harmlessLength && nestsDeeper(Buffer.from(text), maxJsonDepth)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Whether a parsed value can be handed around: not deeper than what may be stored, so that who walks it needs little
 * stack, and without a `__proto__` key, which would pollute whoever merges it.
 */
export function isSafeJson(value: unknown, maxDepth = maxJsonDepth): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (maxDepth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isSafeJson(item, maxDepth - 1));
  return Object.entries(value).every(([key, item]) => key !== '__proto__' && isSafeJson(item, maxDepth - 1));
}
