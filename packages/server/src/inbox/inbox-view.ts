import type { ParticipantId, SessionId } from '@fleetlm/protocol';
import type { InboxEntry, ShownCursor } from '../conversation/inbox/inbox-entry.ts';
import { messagePreview } from '../conversation/inbox/message-preview.ts';
import type { InboxActivity, ReadMoved } from './inbox-activity.ts';

/** Sessions of a live inbox: four pages, far more than a person looks at. */
export const maxViewEntries = 200;

/** A view from which so many were removed is filled up again, if there are more. */
const refillBelow = 150;

/** `reload`: the activity does not tell enough, the entry must be read again. */
export type Folded = 'changed' | 'unchanged' | 'reload';

/**
 * The newest sessions of one participant, exact as far as activities were folded. A plain data structure: the
 * order and repetition of activities do not matter, since each carries absolute values, and a gap asks for a
 * reload.
 */
export class InboxView {
  readonly #participantId: ParticipantId;
  readonly #entries = new Map<SessionId, InboxEntry>();
  /** Whether some had to make room: the participant has more sessions than these. */
  #isTruncated = false;

  constructor(participantId: ParticipantId) {
    this.#participantId = participantId;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Whether it shows far fewer sessions than it could. */
  get isShort(): boolean {
    return this.#isTruncated && this.#entries.size < refillBelow;
  }

  get(sessionId: SessionId): InboxEntry | undefined {
    return this.#entries.get(sessionId);
  }

  sessionIds(): Iterable<SessionId> {
    return this.#entries.keys();
  }

  /** All entries, the newest activity first. */
  entries(): InboxEntry[] {
    return [...this.#entries.values()].sort(byActivity);
  }

  /** Puts an entry as the database has it. Returns the sessions that had to make room. */
  put(entry: InboxEntry): SessionId[] {
    this.#entries.set(entry.sessionId, {
      ...entry,
      activityAt: latest(entry.activityAt, entry.lastMessageAt),
    });
    if (this.#entries.size <= maxViewEntries) return [];
    this.#isTruncated = true;
    const tooOld = this.entries().slice(maxViewEntries);
    for (const { sessionId } of tooOld) this.#entries.delete(sessionId);
    return tooOld.map(({ sessionId }) => sessionId);
  }

  remove(sessionId: SessionId): boolean {
    return this.#entries.delete(sessionId);
  }

  fold(activity: InboxActivity): Folded {
    const entry = this.#entries.get(activity.sessionId);
    if (!entry || activity.mustReload) return 'reload';
    if (activity.newest && activity.firstSeq > entry.lastSeq + 1) return 'reload';
    const withMessages = this.#addMessages(entry, activity);
    const folded = this.#addReads(withMessages, activity.reads.values());
    if (folded === entry) return 'unchanged';
    this.#entries.set(entry.sessionId, folded);
    return 'changed';
  }

  #addMessages(entry: InboxEntry, { newest, senders, firstSeq, lastSeq }: InboxActivity): InboxEntry {
    if (newest === null || lastSeq <= entry.lastSeq) return entry;
    const unseen = senders.slice(entry.lastSeq + 1 - firstSeq);
    const { id, insertedAt, contentJson } = newest.fields;
    return {
      ...entry,
      lastSeq,
      lastMessageId: id,
      lastMessageAt: insertedAt,
      preview: messagePreview(contentJson),
      ownSent: entry.ownSent + unseen.filter((sender) => sender === this.#participantId).length,
      activityAt: latest(entry.activityAt, insertedAt),
    };
  }

  #addReads(entry: InboxEntry, reads: Iterable<ReadMoved>): InboxEntry {
    let folded = entry;
    for (const { participantId, cursor, ownSentThroughRead } of reads) {
      if (participantId === this.#participantId && cursor.seq > folded.lastReadSeq) {
        folded = { ...folded, lastReadSeq: cursor.seq, ownSentThroughRead };
      }
      if (participantId === entry.initiatorId && isNewer(cursor, folded.initiatorRead)) {
        folded = { ...folded, initiatorRead: cursor };
      }
      if (participantId === entry.peerId && isNewer(cursor, folded.peerRead)) {
        folded = { ...folded, peerRead: cursor };
      }
    }
    return folded;
  }
}

/** In the database an activity is written a little later than its message. */
function latest(one: string, other: string | null): string {
  return other !== null && other > one ? other : one;
}

function isNewer(cursor: ShownCursor, than: ShownCursor): boolean {
  return cursor.seq > than.seq;
}

/** ISO times of one form compare as texts. */
function byActivity(one: InboxEntry, other: InboxEntry): number {
  if (one.activityAt !== other.activityAt) return one.activityAt < other.activityAt ? 1 : -1;
  return one.sessionId < other.sessionId ? 1 : -1;
}
