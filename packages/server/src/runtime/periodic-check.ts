/**
 * Runs a check again and again, one at a time: while one is under way the next is left out. It owns one timer,
 * which keeps no process alive. The check must not reject.
 */
export class PeriodicCheck {
  readonly #check: () => Promise<void>;
  readonly #intervalMs: number;
  #timer: NodeJS.Timeout | null = null;
  #checking: Promise<void> | null = null;

  constructor(check: () => Promise<void>, intervalMs: number) {
    this.#check = check;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    this.#timer = setInterval(() => this.run(), this.#intervalMs).unref();
  }

  /** Runs it now, if it is not under way. */
  run(): void {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null;
    });
  }

  /** Waits for the check under way: what it asks is closed after it. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#checking;
  }
}
