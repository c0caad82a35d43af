import { type ParticipantId, parseSessionId, wireError } from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import { type InboxCursor, readInboxPage } from '../conversation/inbox/inbox-entries.ts';
import { type InboxEntry, toConversation } from '../conversation/inbox/inbox-entry.ts';
import type { ParticipantDirectory } from '../conversation/participant-directory.ts';
import { findParticipant } from '../conversation/participants.ts';
import type { InboxReader, InboxServer } from '../inbox/inbox-server.ts';
import type { InboxSupervisor } from '../inbox/inbox-supervisor.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { Db } from '../storage/database.ts';
import { actsAs, findBarred } from './access.ts';
import { decodePageCursor, invalidCursor, type Page, toPage } from './page.ts';

/** As times are read from Postgres. */
const isoTime = /^[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

export interface InboxCallsOptions {
  readonly db: Db;
  readonly directory: ParticipantDirectory;
  readonly inboxes: InboxSupervisor;
}

/** What callers do with inboxes. */
export class InboxCalls {
  readonly #db: Db;
  readonly #directory: ParticipantDirectory;
  readonly #inboxes: InboxSupervisor;

  constructor({ db, directory, inboxes }: InboxCallsOptions) {
    this.#db = db;
    this.#directory = directory;
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
    const position = decodePageCursor(cursor);
    if (!position.ok) return position;
    const after = position.value === undefined ? undefined : decodePosition(position.value);
    if (after === null) return fail(invalidCursor());
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
    const barred = await findBarred(this.#directory, principal);
    if (barred !== null) return fail(barred);
    const server = await this.#inboxes.use(participantId);
    server.attach(reader);
    if (server.view.size > 0 || (await findParticipant(this.#db.kysely, participantId))) return ok(server);
    server.detach(reader);
    return fail(wireError('participant_not_found'));
  }
}

/** Sessions have no space in their ids, nor have times. */
function encodePosition({ activityAt, sessionId }: InboxEntry): string {
  return `${activityAt} ${sessionId}`;
}

/** Null: it is none of ours. Postgres would throw at what is no time. */
function decodePosition(position: string): InboxCursor | null {
  const [activityAt = '', sessionId] = position.split(' ');
  const isTime = isoTime.test(activityAt) && new Date(Date.parse(activityAt)).toJSON() === activityAt;
  return isTime && parseSessionId(sessionId) !== null ? { activityAt, sessionId: sessionId! } : null;
}
