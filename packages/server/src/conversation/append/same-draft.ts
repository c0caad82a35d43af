import { isDeepStrictEqual } from 'node:util';
import type { Draft } from './draft.ts';

/** Whether two drafts say the same: equal kind, and content and metadata equal as JSON values. */
export function isSameDraft(one: Draft, other: Draft): boolean {
  return (
    one.kind === other.kind &&
    isSameJson(one.contentJson, other.contentJson) &&
    isSameJson(one.metadataJson, other.metadataJson)
  );
}

function isSameJson(one: string, other: string): boolean {
  return one === other || isDeepStrictEqual(JSON.parse(one), JSON.parse(other));
}
