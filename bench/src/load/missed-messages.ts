/** Many times what anybody waits: something is lost. */
const timeoutMs = 60_000;

/** What a reader has missed, and whether it is shown just that: each message once, in order. */
export class MissedMessages {
  readonly #ids: readonly string[];
  readonly #complete = Promise.withResolvers<void>();
  readonly #timer: NodeJS.Timeout;
  #received = 0;
  #problem: Error | null = null;

  /** The ids of the messages, in order. */
  constructor(ids: readonly string[]) {
    this.#ids = ids;
    // Who waits comes later, perhaps.
    this.#complete.promise.catch(() => {});
    this.#timer = setTimeout(() => this.giveUp('no more came'), timeoutMs);
    if (ids.length === 0) this.#end();
  }

  /** Resolves when all have come; rejects when another one came than the next, or none for too long. */
  get complete(): Promise<void> {
    return this.#complete.promise;
  }

  get isComplete(): boolean {
    return this.#received === this.#ids.length;
  }

  /** How many have come, without a gap: where a reader goes on that was interrupted. */
  get received(): number {
    return this.#received;
  }

  take({ id }: { readonly id: string }): void {
    const expected = this.#ids[this.#received];
    if (id !== expected) {
      this.giveUp(`message ${id} came when ${expected ?? 'none'} was next`);
      return;
    }
    this.#received += 1;
    if (this.isComplete) this.#end();
  }

  /** No more can come, or be believed. */
  giveUp(why: string): void {
    this.#problem ??= new Error(`${why}; ${this.#received} of ${this.#ids.length} messages had come`);
    clearTimeout(this.#timer);
    this.#complete.reject(this.#problem);
  }

  /** Throws when another message came than the next, or one too many; or when it was given up. */
  check(): void {
    if (this.#problem !== null) throw this.#problem;
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#complete.resolve();
  }
}
