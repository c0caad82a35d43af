import { randomBytes } from 'node:crypto';
import { FrameMemo } from './frame-memo.ts';
import type { TimedRun } from './load.ts';

export interface FanOutRun extends TimedRun {
  /** Written at once; the next ones when every subscriber has received all of these. At most 32. */
  readonly messages: number;
}

export interface FanOutResult {
  readonly perSecond: number;
  readonly seconds: number;
  /** Deliveries: a message that came to a subscriber. */
  readonly count: number;
  /** The text in which the last message came, cut where its id was: a peer sends the same. */
  readonly pieces: readonly string[];
}

/** A burst takes milliseconds; one that is not there by then never will be. */
const maxBurstMs = 15_000;
/** Of the number in an id: all ids are equally long, so all messages are. */
const digits = 9;

/**
 * The subscribers of one topic, whatever they speak: counts what comes to each of them, and tells when all
 * have everything.
 *
 * A message is known by an id in its text, with a number that counts up, so one that comes twice to the same
 * subscriber counts once. Called for each frame of each socket: it neither parses nor allocates.
 */
export class Audience {
  readonly #size: number;
  /** Tells our messages from all other texts. */
  readonly #prefix = randomBytes(6).toString('hex');
  /** Of each subscriber a bit for each message of this burst. */
  readonly #seen: Uint32Array;
  #memo = new FrameMemo(1, () => null);
  #send: (id: string) => void = () => {};
  /** Messages of this burst: their numbers begin with `#first`. */
  #messages = 0;
  #first = 0;
  #left = 0;
  #bursts = 0;
  #newest = '';
  #ended = expectEnd();
  #endMs = 0;

  constructor(size: number) {
    this.#size = size;
    this.#seen = new Uint32Array(size);
  }

  /** A text came to a subscriber. False: it is none of our messages. */
  receive(subscriber: number, bytes: Buffer): boolean {
    const number = this.#memo.get(bytes);
    if (number === null) return false;
    const index = number - this.#first;
    if (index < 0 || index >= this.#messages) return true;
    const bit = 1 << index;
    const seen = this.#seen[subscriber]!;
    if ((seen & bit) !== 0) return true;
    this.#seen[subscriber] = seen | bit;
    this.#left -= 1;
    if (this.#left === 0) this.#completed();
    return true;
  }

  /** Nothing can be measured any more: a socket is gone, a message was refused. */
  fail(reason: string): void {
    this.#ended.reject(new Error(reason));
  }

  /** One burst after the other until the time is over; `send` sends a message with this id. */
  async run({ seconds, messages }: FanOutRun, send: (id: string) => void): Promise<FanOutResult> {
    const beganMs = performance.now();
    this.#endMs = beganMs + seconds * 1_000;
    this.#memo = new FrameMemo(messages, (bytes) => this.#read(bytes));
    this.#messages = messages;
    this.#send = send;
    this.#bursts = 0;
    this.#begin();
    await this.#untilEnded(seconds * 1_000 + maxBurstMs);
    const passed = (performance.now() - beganMs) / 1_000;
    const count = this.#bursts * messages * this.#size;
    return { perSecond: count / passed, seconds: passed, count, pieces: this.#cutNewest() };
  }

  #begin(): void {
    this.#seen.fill(0);
    this.#left = this.#size * this.#messages;
    const end = this.#first + this.#messages;
    for (let number = this.#first; number < end; number += 1) this.#send(this.#idOf(number));
  }

  #completed(): void {
    this.#bursts += 1;
    this.#first += this.#messages;
    if (performance.now() < this.#endMs) this.#begin();
    else this.#ended.resolve();
  }

  async #untilEnded(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.fail(`${this.#left} deliveries never came`), timeoutMs);
    await this.#ended.promise.finally(() => clearTimeout(timer));
    this.#ended = expectEnd();
  }

  #idOf(number: number): string {
    return `${this.#prefix}-${String(number).padStart(digits, '0')}`;
  }

  #read(bytes: Buffer): number | null {
    const at = bytes.indexOf(this.#prefix);
    if (at === -1) return null;
    this.#newest = bytes.toString();
    const start = at + this.#prefix.length + 1;
    return Number(bytes.toString('latin1', start, start + digits));
  }

  #cutNewest(): string[] {
    return this.#newest.split(new RegExp(`${this.#prefix}-\\d{${digits}}`));
  }
}

/** A failure between two runs waits there for the next one. */
function expectEnd(): PromiseWithResolvers<void> {
  const end = Promise.withResolvers<void>();
  end.promise.catch(() => {});
  return end;
}
