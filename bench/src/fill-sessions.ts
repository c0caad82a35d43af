import { fillInbox } from '@fleetlm/testkit';
import { type BenchDatabase, query, vacuum } from './postgres.ts';

export interface SessionsOrder {
  /** Tells these sessions and their people from others. */
  readonly name: string;
  readonly count: number;
  readonly messages: number;
}

/** Direct sessions of two people, in which the writer has said something. */
export interface FilledSessions {
  readonly readerId: string;
  readonly writerId: string;
  readonly ids: readonly string[];
}

/**
 * Writes them straight into the tables, which a server has made, and leaves these as a server would find them
 * that has run for long.
 */
export async function fillSessions(
  { target, url }: BenchDatabase,
  { name, count, messages }: SessionsOrder,
): Promise<FilledSessions> {
  const [readerId, writerId] = [`user:${name}-reader`, `user:${name}-writer`];
  const ids = await fillInbox(url, { participantId: readerId, peerId: writerId, count, messages });
  await query(target, vacuum);
  return { readerId, writerId, ids };
}
