import { isJsonObject, type JsonObject } from '@fleetlm/protocol';

/** A message's metadata while it grows: an object of ours, in which nothing belongs to a chunk. */
export type MutableMetadata = Record<string, unknown>;

/**
 * Merges the metadata of a chunk into `target`, as the AI SDK does: objects are merged level by level, anything
 * else replaces what was there. In place and with copies of what comes: a new object for each chunk, as the SDK
 * makes, would let 1 MiB of small chunks cost seconds. Recursion is bounded, chunks are not deep.
 */
export function mergeMetadata(target: MutableMetadata, source: JsonObject): MutableMetadata {
  for (const [key, value] of Object.entries(source)) {
    if (isPolluting(key)) continue;
    const previous = target[key];
    if (isJsonObject(value) && Object.hasOwn(target, key) && isJsonObject(previous)) {
      mergeMetadata(previous as MutableMetadata, value);
    } else target[key] = copyJson(value);
  }
  return target;
}

/** A copy of parsed JSON. An own `__proto__` key stays one: it is data, and sets nothing. */
export function copyJson<Value>(value: Value): Value;
export function copyJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyJson);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyJson(inner)]));
}

/** Keys that the SDK leaves out when it merges. */
function isPolluting(key: string): boolean {
  return key === '__proto__' || key === 'constructor' || key === 'prototype';
}
