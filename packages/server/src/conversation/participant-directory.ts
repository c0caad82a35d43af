import type { Participant, ParticipantId } from '@fleetlm/protocol';
import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { Database } from '../storage/schema.ts';
import { findDisabled, findParticipant } from './participants.ts';

/** What every call needs to know of a participant. */
export type Identity = Pick<Participant, 'kind' | 'status'>;

/** A participant, or that there is none. */
interface Entry {
  readonly identity: Identity | null;
}

type OnDisabled = (id: ParticipantId) => void;

/** Participants that are remembered: those who are busy now, at some hundred bytes each. */
const maxEntries = 20_000;
/** Another node may have changed a participant: this is how long it can go unnoticed. */
const maxAgeMs = 5_000;

/** Who is an agent, and who is disabled: asked at every call, changed almost never. */
export class ParticipantDirectory {
  readonly #db: Kysely<Database>;
  readonly #cache: LRUCache<ParticipantId, Entry>;
  #onDisabled: OnDisabled = () => {};

  constructor(db: Kysely<Database>) {
    this.#db = db;
    this.#cache = new LRUCache<ParticipantId, Entry>({
      max: maxEntries,
      ttl: maxAgeMs,
      // What is known serves while it is looked up anew: nobody waits for a database that does not answer.
      allowStale: true,
      noDeleteOnStaleGet: true,
      // Whoever is asking when a participant is forgotten gets an answer; it is not kept.
      ignoreFetchAbort: true,
      fetchMethod: async (id: ParticipantId) => ({ identity: (await findParticipant(db, id)) ?? null }),
    });
  }

  /** A participant's identity; null when there is no such participant. */
  async find(id: ParticipantId): Promise<Identity | null> {
    return (await this.#cache.fetch(id))?.identity ?? null;
  }

  async isDisabled(id: ParticipantId): Promise<boolean> {
    return (await this.find(id))?.status === 'disabled';
  }

  /** As `find`, without waiting: undefined when it is not known here. */
  peek(id: ParticipantId): Identity | null | undefined {
    const entry = this.#cache.get(id);
    // Looked up anew meanwhile; a failure leaves what is known.
    if (entry && this.#cache.getRemainingTTL(id) <= 0) this.#cache.fetch(id).catch(() => {});
    return entry?.identity;
  }

  /** Those of `ids` that are disabled now, asked of the database. */
  async findDisabled(ids: readonly ParticipantId[]): Promise<ParticipantId[]> {
    const disabled = await findDisabled(this.#db, ids);
    for (const id of disabled) this.#cache.delete(id);
    return disabled;
  }

  /** A participant was changed on this node. */
  changed({ id, status }: Pick<Participant, 'id' | 'status'>): void {
    this.#cache.delete(id);
    if (status === 'disabled') this.#onDisabled(id);
  }

  /** Whoever holds the participants' sockets hears at once of one that was disabled on this node. */
  listen(onDisabled: OnDisabled): void {
    this.#onDisabled = onDisabled;
  }
}
