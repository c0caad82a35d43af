import type { StoredMessage } from '../conversation/stored-message.ts';

/** Most messages of a tail: what a returning reader usually missed, two newest pages. */
export const maxTailMessages = 100;
/** Most JSON text of a tail in UTF-16 units: a session of large answers must not cost more than a busy one. */
const maxTailSize = 1 << 20;

/** `applied`: it came next · `old`: already here · `hole`: something before it is missing. */
export type Applied = 'applied' | 'old' | 'hole';

/**
 * The newest messages of a session, without gaps up to `lastSeq`. A plain data structure: no waiting, no I/O.
 */
export class HotTail {
  readonly #messages: StoredMessage[] = [];
  #size = 0;
  #lastSeq: number;

  /** Starts with messages that end at `lastSeq`, in order. */
  constructor(messages: readonly StoredMessage[] = []) {
    this.#lastSeq = (messages[0]?.seq ?? 1) - 1;
    for (const message of messages) this.apply(message);
  }

  /** The newest seq; 0 for an empty session. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** All that it holds, in order: what another tail can start with. */
  get messages(): readonly StoredMessage[] {
    return this.#messages;
  }

  /** JSON text that it holds, in UTF-16 units. */
  get size(): number {
    return this.#size;
  }

  apply(message: StoredMessage): Applied {
    if (message.seq <= this.#lastSeq) return 'old';
    if (message.seq > this.#lastSeq + 1) return 'hole';
    this.#messages.push(message);
    this.#size += message.json.length;
    this.#lastSeq = message.seq;
    while (
      this.#messages.length > maxTailMessages ||
      (this.#size > maxTailSize && this.#messages.length > 1)
    ) {
      this.#size -= this.#messages.shift()!.json.length;
    }
    return 'applied';
  }

  /** Up to `limit` messages after a cursor, ascending; null when they are no longer all here. */
  after(cursor: number, limit: number): StoredMessage[] | null {
    const start = cursor + 1 - this.#firstSeq;
    return start < 0 ? null : this.#messages.slice(start, start + limit);
  }

  /** The newest `limit` messages, ascending; null when the session has more of them than are here. */
  newest(limit: number): StoredMessage[] | null {
    const hasAll = this.#messages.length >= Math.min(limit, this.#lastSeq);
    return hasAll ? this.#messages.slice(-limit) : null;
  }

  get #firstSeq(): number {
    return this.#lastSeq + 1 - this.#messages.length;
  }
}
