/** What a reader has missed, and whether it is shown just that: each message once, in order. */
export class MissedMessages {
  readonly #ids: readonly string[];
  readonly #complete = Promise.withResolvers<void>();
  #received = 0;
  #problem: Error | null = null;

  /** The ids of the messages, in order. */
  constructor(ids: readonly string[]) {
    this.#ids = ids;
    // Who waits comes later, perhaps.
    this.#complete.promise.catch(() => {});
    if (ids.length === 0) this.#complete.resolve();
  }

  /** Resolves when all have come; rejects when another one came than the next. */
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
    if (this.isComplete) this.#complete.resolve();
  }

  /** No more can come, or be believed. */
  giveUp(why: string): void {
    this.#problem ??= new Error(`${why}; ${this.#received} of ${this.#ids.length} messages had come`);
    this.#complete.reject(this.#problem);
  }

  /** Throws when more came than was missed. */
  check(): void {
    if (this.#problem !== null) throw this.#problem;
  }
}
