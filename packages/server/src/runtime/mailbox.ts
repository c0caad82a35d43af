export interface MailboxOptions<Message> {
  /** Most messages that wait. */
  readonly capacity: number;
  /** Handles one message; the next one waits for the promise, if there is one. */
  readonly receive: (message: Message) => void | Promise<void>;
  /** A throwing or rejecting `receive` ends the mailbox; what waits is dropped. */
  readonly onError: (error: unknown) => void;
}

/**
 * Hands messages to its owner one after the other. While nothing is being waited for, a message is handled at
 * once, inside `post`: the usual case costs no promise.
 *
 * States: paused (until `open`) · open · ended. A full mailbox refuses: its owner says what that means.
 */
export class Mailbox<Message> {
  readonly #options: MailboxOptions<Message>;
  readonly #waiting: Message[] = [];
  #busy = true;
  #ended = false;

  constructor(options: MailboxOptions<Message>) {
    this.#options = options;
  }

  /** Starts handling, with what was posted before. */
  open(): void {
    this.#busy = false;
    this.#drain();
  }

  /** Whether the message was taken: false when too many wait, or after the end. */
  post(message: Message): boolean {
    if (this.#ended || this.#waiting.length >= this.#options.capacity) return false;
    this.#waiting.push(message);
    this.#drain();
    return true;
  }

  end(): void {
    this.#ended = true;
    this.#waiting.length = 0;
  }

  #drain(): void {
    while (!this.#busy && this.#waiting.length > 0) {
      this.#busy = true;
      try {
        const pending = this.#options.receive(this.#waiting.shift()!);
        if (pending) {
          void this.#resumeAfter(pending);
          return;
        }
        this.#busy = false;
      } catch (error) {
        this.#fail(error);
      }
    }
  }

  async #resumeAfter(pending: Promise<void>): Promise<void> {
    try {
      await pending;
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#busy = false;
    this.#drain();
  }

  #fail(error: unknown): void {
    this.end();
    this.#options.onError(error);
  }
}
