import { type ParticipantId, wireError } from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import { type InboxCursor, readInboxPage } from '../conversation/inbox/inbox-entries.ts';
import { type InboxEntry, toConversation } from '../conversation/inbox/inbox-entry.ts';
import { findParticipant } from '../conversation/participants.ts';
import type { InboxReader, InboxServer } from '../inbox/inbox-server.ts';
import type { InboxSupervisor } from '../inbox/inbox-supervisor.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { Db } from '../storage/database.ts';
import { actsAs } from './access.ts';
import { type Page, readCursor, toPage } from './page.ts';

/** What callers do with inboxes. */
export class InboxCalls {
  readonly #db: Db;
  readonly #inboxes: InboxSupervisor;

  constructor(db: Db, inboxes: InboxSupervisor) {
    this.#db = db;
    this.#inboxes = inboxes;
  }

  /** A page of a participant's inbox, the newest activity first. */
  async page(
    principal: Principal,
    participantId: ParticipantId | null,
    { cursor, limit }: { cursor?: string | undefined; limit: number },
  ): Promise<Result<Page<ReturnType<typeof toConversation>>>> {
    if (participantId === null || !actsAs(principal, participantId))
      return fail(wireError('participant_not_found'));
    const position = readCursor(cursor);
    if (!position.ok) return position;
    const after = decodePosition(position.value);
    const entries = await readInboxPage(this.#db, participantId, { after, limit: limit + 1 });
    if (entries.length === 0 && !(await findParticipant(this.#db.kysely, participantId))) {
      return fail(wireError('participant_not_found'));
    }
    const page = toPage(entries, limit, encodePosition);
    return ok({ ...page, items: page.items.map(toConversation) });
  }

  /** Opens an inbox for following: its reader is attached, and finds the server's `snapshot`. */
  async follow(
    principal: Principal,
    participantId: ParticipantId | null,
    reader: InboxReader,
  ): Promise<Result<InboxServer>> {
    if (participantId === null || !actsAs(principal, participantId))
      return fail(wireError('participant_not_found'));
    const server = await this.#inboxes.use(participantId);
    server.attach(reader);
    return ok(server);
  }
}

/** Sessions have no space in their ids, nor have times. */
function encodePosition({ activityAt, sessionId }: InboxEntry): string {
  return `${activityAt} ${sessionId}`;
}

function decodePosition(position: string | undefined): InboxCursor | undefined {
  const [activityAt, sessionId] = position?.split(' ') ?? [];
  const isPosition = sessionId !== undefined && !Number.isNaN(Date.parse(activityAt ?? ''));
  return isPosition ? { activityAt: activityAt!, sessionId } : undefined;
}
