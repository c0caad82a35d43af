import type { MessageId, ParticipantId, SessionId } from '@fleetlm/protocol';
import { loadSql } from '../../lib/load-sql.ts';
import type { Db } from '../../storage/database.ts';
import type { MemberKey } from '../members.ts';
import type { InboxEntry, ShownCursor } from './inbox-entry.ts';

/** Where a page begins: after the entry with this activity and session. */
export interface InboxCursor {
  readonly activityAt: string;
  readonly sessionId: string;
}

interface EntryRow {
  readonly participant_id: ParticipantId;
  readonly session_id: SessionId;
  readonly kind: InboxEntry['kind'];
  readonly status: InboxEntry['status'];
  readonly metadata: string;
  readonly version: number;
  readonly initiator_id: ParticipantId;
  readonly peer_id: ParticipantId | null;
  readonly agent_id: ParticipantId | null;
  readonly last_seq: number;
  readonly last_message_id: MessageId | null;
  readonly last_message_at: string | null;
  readonly preview: string | null;
  readonly last_read_seq: number;
  readonly last_read_message_id: MessageId | null;
  readonly last_read_at: string | null;
  readonly own_sent: number;
  readonly own_sent_through_read: number;
  readonly activity_at: string;
  /** Of the other one in a direct session, or of a group's initiator; null in one's own group. */
  readonly other_last_read_seq: number | null;
  readonly other_last_read_message_id: MessageId | null;
  readonly other_last_read_at: string | null;
}

interface MarkRow {
  readonly session_id: SessionId;
  readonly version: number;
  readonly last_seq: number;
  readonly last_read_seq: number;
  readonly own_sent: number;
  readonly initiator_last_read_seq: number;
  readonly peer_last_read_seq: number;
}

const marksStatement = {
  name: 'inbox-marks',
  text: loadSql(new URL('./sql/inbox-marks.sql', import.meta.url)),
};
const pageStatement = { name: 'inbox-page', text: loadSql(new URL('./sql/inbox-page.sql', import.meta.url)) };
const entriesStatement = {
  name: 'inbox-entries',
  text: loadSql(new URL('./sql/inbox-entries.sql', import.meta.url)),
};
const membershipsStatement = {
  name: 'inbox-memberships',
  text: loadSql(new URL('./sql/inbox-memberships.sql', import.meta.url)),
};

/** A group has no peer. */
const noCursor: ShownCursor = { seq: 0, messageId: null, at: null };

/** A participant's sessions, the newest activity first. */
export async function readInboxPage(
  db: Db,
  participantId: ParticipantId,
  { after, limit }: { after?: InboxCursor | undefined; limit: number },
): Promise<InboxEntry[]> {
  const values = [participantId, after?.activityAt ?? null, after?.sessionId ?? null, limit];
  return (await db.query<EntryRow>(pageStatement, values)).map(toEntry);
}

/** The entries of `keys` that are there, in one query. */
export async function readInboxEntries(
  db: Db,
  keys: readonly MemberKey[],
): Promise<(MemberKey & { readonly entry: InboxEntry })[]> {
  const values = [keys.map((key) => key.participantId), keys.map((key) => key.sessionId)];
  const rows = await db.query<EntryRow>(entriesStatement, values);
  return rows.map((row) => ({
    participantId: row.participant_id,
    sessionId: row.session_id,
    entry: toEntry(row),
  }));
}

/** A page of an inbox, for which `kept` entries serve that are still right: only the others are read whole. */
export async function refreshInboxPage(
  db: Db,
  participantId: ParticipantId,
  { kept, limit }: { kept: ReadonlyMap<SessionId, InboxEntry>; limit: number },
): Promise<InboxEntry[]> {
  const marks = await db.query<MarkRow>(marksStatement, [participantId, limit]);
  const isRight = (mark: MarkRow) => matches(kept.get(mark.session_id), mark);
  const wrong = marks.filter((mark) => !isRight(mark));
  const keys = wrong.map((mark) => ({ participantId, sessionId: mark.session_id }));
  const read = keys.length === 0 ? [] : await readInboxEntries(db, keys);
  return [
    ...marks.filter(isRight).map((mark) => kept.get(mark.session_id)!),
    ...read.map(({ entry }) => entry),
  ];
}

/** Which of `participants` are members of which of `sessions`. */
export async function findMemberships(
  db: Db,
  sessions: readonly SessionId[],
  participants: readonly ParticipantId[],
): Promise<MemberKey[]> {
  type Row = Pick<EntryRow, 'session_id' | 'participant_id'>;
  const rows = await db.query<Row>(membershipsStatement, [sessions, participants]);
  return rows.map((row) => ({ participantId: row.participant_id, sessionId: row.session_id }));
}

function matches(entry: InboxEntry | undefined, mark: MarkRow): boolean {
  return (
    entry !== undefined &&
    entry.version === mark.version &&
    entry.lastSeq === mark.last_seq &&
    entry.lastReadSeq === mark.last_read_seq &&
    entry.ownSent === mark.own_sent &&
    entry.initiatorRead.seq === mark.initiator_last_read_seq &&
    entry.peerRead.seq === mark.peer_last_read_seq
  );
}

function toEntry(row: EntryRow): InboxEntry {
  return {
    sessionId: row.session_id,
    kind: row.kind,
    status: row.status,
    metadata: JSON.parse(row.metadata),
    version: row.version,
    initiatorId: row.initiator_id,
    peerId: row.peer_id,
    agentId: row.agent_id,
    lastSeq: row.last_seq,
    lastMessageId: row.last_message_id,
    lastMessageAt: row.last_message_at,
    preview: row.preview,
    initiatorRead: toCursor(row, row.initiator_id),
    peerRead: toCursor(row, row.peer_id),
    lastReadSeq: row.last_read_seq,
    ownSent: row.own_sent,
    ownSentThroughRead: row.own_sent_through_read,
    activityAt: row.activity_at,
  };
}

/** The cursor of a session's initiator or peer: the participant's own, or the other's, of which there is one at most. */
function toCursor(row: EntryRow, memberId: ParticipantId | null): ShownCursor {
  if (memberId === null) return noCursor;
  if (memberId === row.participant_id)
    return { seq: row.last_read_seq, messageId: row.last_read_message_id, at: row.last_read_at };
  return {
    seq: row.other_last_read_seq ?? 0,
    messageId: row.other_last_read_message_id,
    at: row.other_last_read_at,
  };
}
