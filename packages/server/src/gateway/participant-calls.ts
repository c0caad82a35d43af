import { type Participant, type ParticipantId, type ParticipantKind, wireError } from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import type { ParticipantDirectory } from '../conversation/participant-directory.ts';
import {
  findParticipant,
  listParticipants,
  type ParticipantChange,
  upsertParticipant,
} from '../conversation/participants.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { Db } from '../storage/database.ts';
import { actsAs } from './access.ts';
import { checkMetadata } from './metadata-limit.ts';
import { decodePageCursor, type Page, toPage } from './page.ts';

export interface ParticipantQuery {
  readonly kind?: ParticipantKind | undefined;
  readonly status?: Participant['status'] | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** What callers do with participants. */
export class ParticipantCalls {
  readonly #db: Db;
  readonly #directory: ParticipantDirectory;
  readonly #maxMetadataBytes: number;

  constructor(db: Db, directory: ParticipantDirectory, maxMetadataBytes: number) {
    this.#db = db;
    this.#directory = directory;
    this.#maxMetadataBytes = maxMetadataBytes;
  }

  /** Makes or changes a participant. A participant may change what it shows of itself, not what it is. */
  async upsert(
    principal: Principal,
    id: ParticipantId,
    change: ParticipantChange,
  ): Promise<Result<Participant>> {
    if (!actsAs(principal, id)) return fail(wireError('forbidden', 'a participant may change itself only'));
    const changesNature = change.kind !== undefined || change.status !== undefined;
    if (principal.kind === 'participant' && changesNature) {
      return fail(wireError('forbidden', 'only the service may set kind and status'));
    }
    const problem = checkMetadata(change.metadata, this.#maxMetadataBytes);
    if (problem) return fail(problem);
    const participant = await upsertParticipant(this.#db.kysely, id, change);
    this.#directory.changed(participant);
    return ok(participant);
  }

  async get(principal: Principal, id: ParticipantId | null): Promise<Result<Participant>> {
    const mayRead = id !== null && actsAs(principal, id);
    const participant = mayRead ? await findParticipant(this.#db.kysely, id) : undefined;
    return participant ? ok(participant) : fail(wireError('participant_not_found'));
  }

  /** All participants for the service; a participant finds itself. */
  async list(principal: Principal, query: ParticipantQuery): Promise<Result<Page<Participant>>> {
    const after = decodePageCursor(query.cursor);
    if (!after.ok) return after;
    const only = principal.kind === 'participant' ? principal.participantId : undefined;
    const { kind, status, limit } = query;
    const filter = { kind, status, only, after: after.value, limit: limit + 1 };
    return ok(
      toPage(await listParticipants(this.#db.kysely, filter), limit, (participant) => participant.id),
    );
  }
}
