/** One chunk of an AI SDK UI message stream. Fields that are not known pass through. */
export type Chunk = { readonly type: string; readonly [field: string]: unknown };

/** The chunk in `value`, or null when it is no object with a type. */
export function parseChunk(value: unknown): Chunk | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return typeof (value as Chunk).type === 'string' ? (value as Chunk) : null;
}
