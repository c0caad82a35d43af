import type { ParticipantId, SessionId } from '@fleetlm/protocol';
import type { ShownCursor } from '../conversation/inbox/inbox-entry.ts';
import type { StoredMessage } from '../conversation/stored-message.ts';

/** A reader's cursor as it stands after a move. */
export interface ReadMoved {
  readonly participantId: ParticipantId;
  readonly cursor: ShownCursor;
  readonly ownSentThroughRead: number;
}

/**
 * What happened in one session since the last flush, however much: one of these per session goes to the inboxes,
 * not one per message and member.
 */
export class InboxActivity {
  readonly sessionId: SessionId;
  /** Seq of the first message; 0 when there is none. */
  firstSeq = 0;
  /** Who sent each message from `firstSeq` on. */
  readonly senders: ParticipantId[] = [];
  newest: StoredMessage | null = null;
  /** The newest cursor of each reader. */
  readonly reads = new Map<ParticipantId, ReadMoved>();
  /** Something that these fields do not say (status, metadata, members), or a gap: the entry must be read again. */
  mustReload = false;

  constructor(sessionId: SessionId) {
    this.sessionId = sessionId;
  }

  get lastSeq(): number {
    return this.firstSeq + this.senders.length - 1;
  }

  addMessage(message: StoredMessage): void {
    if (this.newest === null) this.firstSeq = message.seq;
    else if (message.seq !== this.lastSeq + 1) this.mustReload = true;
    this.senders.push(message.fields.senderId);
    this.newest = message;
  }

  addRead(read: ReadMoved): void {
    const earlier = this.reads.get(read.participantId);
    if (!earlier || earlier.cursor.seq <= read.cursor.seq) this.reads.set(read.participantId, read);
  }
}
