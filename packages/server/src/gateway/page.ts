import type { WireError } from '@fleetlm/protocol';
import { fail, ok, type Result } from '../lib/result.ts';
import { invalidField } from './invalid-field.ts';

/** A page of a list; `nextCursor` is null on the last one. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

/** A page of at most `limit` items, made from up to one more: that one tells that another page follows. */
export function toPage<Item>(
  items: readonly Item[],
  limit: number,
  idOf: (item: Item) => string,
): Page<Item> {
  const page = items.slice(0, limit);
  const hasMore = items.length > limit;
  return { items: page, nextCursor: hasMore ? Buffer.from(idOf(page.at(-1)!)).toString('base64url') : null };
}

/** The id in a cursor, which is opaque to clients; undefined without one. */
export function readCursor(cursor: string | undefined): Result<string | undefined> {
  if (cursor === undefined) return ok(undefined);
  const id = Buffer.from(cursor, 'base64url').toString('utf8');
  const isOurs = id !== '' && !id.includes('\0') && Buffer.from(id).toString('base64url') === cursor;
  return isOurs ? ok(id) : fail(invalidCursor());
}

export function invalidCursor(): WireError {
  return invalidField('cursor', 'must be a next_cursor of an earlier page');
}
