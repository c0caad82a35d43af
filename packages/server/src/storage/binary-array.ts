/**
 * Arrays in Postgres' binary format (array_recv in its source): less to write, and less to read for Postgres, than
 * a text of quoted elements.
 */

const typeOid = { boolean: 16, smallint: 21, integer: 23, text: 25 };
const headerBytes = 20;
const isNull = -1;

/** A `text[]` of one dimension. */
export function textArray(values: readonly (string | null)[]): Buffer {
  let size = headerBytes;
  for (const value of values) size += 4 + (value === null ? 0 : Buffer.byteLength(value));
  const array = allocate(size, typeOid.text, values.length);
  let offset = headerBytes;
  for (const value of values) {
    const length = value === null ? isNull : array.write(value, offset + 4);
    array.writeInt32BE(length, offset);
    offset += 4 + Math.max(length, 0);
  }
  return array;
}

/** A `smallint[]` of one dimension. */
export function smallintArray(values: readonly number[]): Buffer {
  const array = allocate(headerBytes + values.length * 6, typeOid.smallint, values.length);
  let offset = headerBytes;
  for (const value of values) {
    array.writeInt32BE(2, offset);
    array.writeInt16BE(value, offset + 4);
    offset += 6;
  }
  return array;
}

/** An `integer[]` of one dimension. */
export function integerArray(values: readonly number[]): Buffer {
  const array = allocate(headerBytes + values.length * 8, typeOid.integer, values.length);
  let offset = headerBytes;
  for (const value of values) {
    array.writeInt32BE(4, offset);
    array.writeInt32BE(value, offset + 4);
    offset += 8;
  }
  return array;
}

/** A `boolean[]` of one dimension. */
export function booleanArray(values: readonly boolean[]): Buffer {
  const array = allocate(headerBytes + values.length * 5, typeOid.boolean, values.length);
  let offset = headerBytes;
  for (const value of values) {
    array.writeInt32BE(1, offset);
    array[offset + 4] = value ? 1 : 0;
    offset += 5;
  }
  return array;
}

/** Dimensions, whether there are nulls (which Postgres does not trust), the elements' type, their number, the first index. */
function allocate(size: number, elementType: number, length: number): Buffer {
  const array = Buffer.allocUnsafe(size);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(1, 4);
  array.writeInt32BE(elementType, 8);
  array.writeInt32BE(length, 12);
  array.writeInt32BE(1, 16);
  return array;
}
