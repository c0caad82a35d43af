import type { ChannelSocket } from './channel-socket.ts';

/** As official clients do, each. */
const intervalMs = 30_000;
/** So few at a time that the server sees a stream of them, as from sockets that know nothing of each other. */
const tickMs = 10;

/** The heartbeats of many sockets, in turn, spread evenly. */
export class Heartbeats {
  readonly #sockets: readonly ChannelSocket[];
  #timer: NodeJS.Timeout | null = null;
  #sent = 0;
  #answered = 0;

  constructor(sockets: readonly ChannelSocket[]) {
    this.#sockets = sockets;
  }

  get answered(): number {
    return this.#answered;
  }

  start(): void {
    const beganMs = performance.now();
    this.#timer = setInterval(() => this.#sendUpTo(performance.now() - beganMs), tickMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #sendUpTo(passedMs: number): void {
    const due = (passedMs / intervalMs) * this.#sockets.length;
    for (; this.#sent < Math.floor(due); this.#sent += 1) {
      this.#sockets[this.#sent % this.#sockets.length]!.heartbeat(this.#onAnswer);
    }
  }

  readonly #onAnswer = (): void => {
    this.#answered += 1;
  };
}
