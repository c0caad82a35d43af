const quote = 0x22;
const backslash = 0x5c;
const openArray = 0x5b;
const closeArray = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;

/**
 * Whether the JSON in `bytes` has more than `maxDepth` arrays and objects within each other; of what is no JSON it
 * says anything. `JSON.parse` takes every depth, and 256 KiB of brackets keep it busy for 5 ms; this takes a
 * fraction, and stops at the first that is too deep.
 */
export function nestsDeeper(bytes: Uint8Array, maxDepth: number): boolean {
  let depth = 0;
  let isText = false;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index];
    if (isText) {
      if (byte === backslash) index += 1;
      else if (byte === quote) isText = false;
    } else if (byte === quote) isText = true;
    else if (byte === openArray || byte === openObject) {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if (byte === closeArray || byte === closeObject) depth -= 1;
  }
  return false;
}
