import type { Participant, ParticipantId } from '@fleetlm/protocol';
import { LRUCache } from 'lru-cache';
import type { Db } from '../storage/database.ts';
import { findDisabled, findIdentity, type Identity } from './participants.ts';

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
  readonly #db: Db;
  readonly #cache: LRUCache<ParticipantId, Entry>;
  #onDisabled: OnDisabled = () => {};

  constructor(db: Db, clock: { now(): number } = performance) {
    this.#db = db;
    this.#cache = new LRUCache<ParticipantId, Entry>({
      max: maxEntries,
      ttl: maxAgeMs,
      perf: clock,
      // What is too old still serves `peek`, and whoever asks while the database does not answer.
      noDeleteOnStaleGet: true,
      allowStaleOnFetchRejection: true,
      // Whoever is asking when a participant is forgotten gets an answer; it is not kept.
      ignoreFetchAbort: true,
      fetchMethod: async (id: ParticipantId) => ({ identity: await findIdentity(db, id) }),
    });
  }

  /** A participant's identity; null when there is no such participant. */
  async find(id: ParticipantId): Promise<Identity | null> {
    return (await this.#cache.fetch(id))?.identity ?? null;
  }

  async isDisabled(id: ParticipantId): Promise<boolean> {
    return (await this.find(id))?.status === 'disabled';
  }

  /**
   * As `find`, without waiting: undefined when it is not known here. What is too old serves once more while it is
   * looked up anew, so that a send never waits for the database before its place in line.
   */
  peek(id: ParticipantId): Identity | null | undefined {
    const entry = this.#cache.get(id, { allowStale: true });
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
