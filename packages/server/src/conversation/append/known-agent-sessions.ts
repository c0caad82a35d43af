import type { SessionId } from '@fleetlm/protocol';

/** Sessions that are remembered: those in which agents are talked to now, at some hundred bytes each. */
const defaultMaxSessions = 50_000;

/**
 * Sessions that are known to have agents. One that is not known is taken to have none, which the append verifies: to
 * have forgotten one costs a round trip. None is ever wrong here, since a session that had an agent once is one for good.
 */
export class KnownAgentSessions {
  readonly #maxSessions: number;
  /** Those that were asked for last are at the end. */
  readonly #ids = new Set<SessionId>();

  constructor(maxSessions: number = defaultMaxSessions) {
    this.#maxSessions = maxSessions;
  }

  has(id: SessionId): boolean {
    if (!this.#ids.delete(id)) return false;
    this.#ids.add(id);
    return true;
  }

  add(id: SessionId): void {
    this.#ids.delete(id);
    this.#ids.add(id);
    if (this.#ids.size <= this.#maxSessions) return;
    const [oldest] = this.#ids;
    this.#ids.delete(oldest!);
  }
}
