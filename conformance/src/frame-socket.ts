import type { ClosedSocket, RawFrame, RawSocket } from '@fleetlm/testkit/raw-socket';
import { Mismatch } from './mismatch.ts';
import { fits } from './pattern.ts';

/** A connection in the notation of the protocol's pages: what the client says is `C`, what the server says `S`. */
export class FrameSocket implements AsyncDisposable {
  readonly raw: RawSocket;
  readonly #transcript: string[] = [];
  #textsNoted = 0;

  constructor(raw: RawSocket) {
    this.raw = raw;
  }

  /** Sends a frame: JSON; a text goes as it is, bytes go as a binary frame. */
  C(frame: unknown): void {
    this.#noteTexts();
    this.#note('C', frame instanceof Uint8Array ? `<${Buffer.from(frame).toString('hex')}>` : frame);
    this.raw.send(frame);
  }

  /** Expects these frames next, in this order. Returns the last one. */
  async S(...expected: readonly unknown[]): Promise<RawFrame> {
    let frame: RawFrame;
    for (const next of expected) {
      frame = await this.raw.next().catch((error: Error) => this.#fail(next, summaryOf(error)));
      if (!fits(next, frame)) this.#fail(next, frame);
    }
    return frame;
  }

  /** Expects the answer to a heartbeat, and nothing before it. */
  async nothing(): Promise<void> {
    const frames = await this.raw
      .settle()
      .catch((error: Error) => this.#fail('the answer to a heartbeat', summaryOf(error)));
    if (frames.length > 0) this.#fail('no frame', frames);
  }

  /** Expects the server to close with one of these codes. `withinMs`: when that takes long. */
  async closes(codes: number | readonly number[], withinMs = 0): Promise<ClosedSocket> {
    const expected = [codes].flat();
    const closed = await this.#untilClosed(performance.now() + withinMs);
    if (closed === null) return this.#fail(`close with ${expected.join(' or ')}`, 'the socket is still open');
    if (!expected.includes(closed.code)) this.#fail(`close with ${expected.join(' or ')}`, closed);
    return closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.raw[Symbol.asyncDispose]();
  }

  /** A raw socket waits some seconds: here it does so again and again. */
  async #untilClosed(deadlineMs: number): Promise<ClosedSocket | null> {
    for (;;) {
      const closed = await this.raw.closed.catch(() => null);
      if (closed !== null || performance.now() > deadlineMs) return closed;
    }
  }

  #fail(expected: unknown, seen: unknown): never {
    this.#noteTexts();
    throw new Mismatch({ expected, seen, transcript: this.#transcript });
  }

  #noteTexts(): void {
    const { texts } = this.raw;
    for (const text of texts.slice(this.#textsNoted)) this.#note('S', text);
    this.#textsNoted = texts.length;
  }

  #note(who: 'C' | 'S', frame: unknown): void {
    const text = typeof frame === 'string' ? frame : JSON.stringify(frame);
    this.#transcript.push(`${who} ${text.length > maxShown ? `${text.slice(0, maxShown)}…` : text}`);
  }
}

/** Of a frame in a transcript. */
const maxShown = 400;

/** Without the frames, which the transcript has. */
function summaryOf(error: Error): string {
  return error.message.split(';', 1)[0]!;
}
