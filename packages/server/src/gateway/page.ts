import type { WireError } from '@fleetlm/protocol';
import { fail, ok, type Result } from '../lib/result.ts';
import { invalidField } from './invalid-field.ts';

/** A page of a list; `nextCursor` is null on the last one. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

/** A page ends when it holds this much JSON: 200 items with usual metadata fit, 200 with 32 KiB each do not. */
const maxPageChars = 1 << 20;

/**
 * A page of at most `limit` items and 1 Mi characters, but one item at least, made from up to one item more: that one
 * tells that another page follows.
 */
export function toPage<Item>(
  items: readonly Item[],
  limit: number,
  idOf: (item: Item) => string,
): Page<Item> {
  const page = takeFitting(items.slice(0, limit));
  const hasMore = items.length > page.length;
  return { items: page, nextCursor: hasMore ? Buffer.from(idOf(page.at(-1)!)).toString('base64url') : null };
}

function takeFitting<Item>(items: readonly Item[]): readonly Item[] {
  let size = 0;
  const tooMuch = items.findIndex((item) => {
    size += JSON.stringify(item).length;
    return size > maxPageChars;
  });
  return tooMuch === -1 ? items : items.slice(0, Math.max(tooMuch, 1));
}

/** The id in a cursor, which is opaque to clients; undefined without one. */
export function decodePageCursor(cursor: string | undefined): Result<string | undefined> {
  if (cursor === undefined) return ok(undefined);
  const id = Buffer.from(cursor, 'base64url').toString('utf8');
  const isOurs = id !== '' && !id.includes('\0') && Buffer.from(id).toString('base64url') === cursor;
  return isOurs ? ok(id) : fail(invalidCursor());
}

export function invalidCursor(): WireError {
  return invalidField('cursor', 'must be a next_cursor of an earlier page');
}
