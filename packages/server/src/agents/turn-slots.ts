import type { ParticipantId } from '@fleetlm/protocol';

export interface SlotLimits {
  /** Turns of one agent, and of all, at once. */
  readonly maxTurnsPerAgent: number;
  readonly maxTurns: number;
}

/** How many turns of which agent are under way on this node, and how many more there may be. */
export class TurnSlots {
  readonly #limits: SlotLimits;
  readonly #taken = new Map<ParticipantId, number>();
  #total = 0;

  constructor(limits: SlotLimits) {
    this.#limits = limits;
  }

  /** How many more turns there may be of agents that have none. */
  get free(): number {
    return this.#limits.maxTurns - this.#total;
  }

  freeOf(agentId: ParticipantId): number {
    return Math.min(this.free, this.#limits.maxTurnsPerAgent - (this.#taken.get(agentId) ?? 0));
  }

  /** Agents that have turns, how many, and how many more each may have, at the same index. */
  agents(): { readonly ids: ParticipantId[]; readonly taken: number[]; readonly free: number[] } {
    const ids = [...this.#taken.keys()];
    return { ids, taken: [...this.#taken.values()], free: ids.map((id) => Math.max(this.freeOf(id), 0)) };
  }

  take(agentId: ParticipantId): void {
    this.#total += 1;
    this.#taken.set(agentId, (this.#taken.get(agentId) ?? 0) + 1);
  }

  release(agentId: ParticipantId): void {
    this.#total -= 1;
    const taken = this.#taken.get(agentId)! - 1;
    if (taken > 0) this.#taken.set(agentId, taken);
    else this.#taken.delete(agentId);
  }
}
