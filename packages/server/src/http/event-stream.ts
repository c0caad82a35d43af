import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { ParticipantId } from '@fleetlm/protocol';
import { type Principal, participantOf } from '../auth/principal.ts';
import type { StreamReader } from '../gateway/stream-calls.ts';
import type { Flusher } from '../socket/flusher.ts';
import { SendQueue, type SendQueueOwner } from '../socket/send-queue.ts';
import type { Chunk } from '../streams/chunk.ts';
import type { StreamPush } from '../streams/stream-assembler.ts';
import type { StreamExchange } from './stream-exchange.ts';

export interface EventStreamLimits {
  readonly maxQueuedBytes: number;
  readonly stallMs: number;
  /** A reader of a silent stream gets a comment after this long. */
  readonly quietMs: number;
}

export interface EventStreamOptions {
  readonly response: ServerResponse;
  readonly principal: Principal;
  readonly flusher: Flusher;
  readonly limits: EventStreamLimits;
}

/** As the AI SDK's `createUIMessageStreamResponse` has them. */
const headers: OutgoingHttpHeaders = {
  'content-type': 'text/event-stream',
  'x-vercel-ai-ui-message-stream': 'v1',
  // nginx would collect the chunks.
  'x-accel-buffering': 'no',
};

const comment = Buffer.from(':\n\n');
const done = Buffer.from('data: [DONE]\n\n');

/**
 * One reply that shows a running stream as server-sent events, in the AI SDK's format. Its head goes out with
 * `begun`, its end with `closed`; in between whoever does not read is cut, as a socket is. Made by `StreamExchanges`.
 */
export class EventStream implements StreamReader, SendQueueOwner, StreamExchange {
  readonly participantId: ParticipantId | null;
  readonly expiresAtMs: number | null;
  readonly #response: ServerResponse;
  readonly #queue: SendQueue;
  readonly #quietMs: number;
  readonly #stallMs: number;
  /** Of what was ended: what the reader has not taken, and since when. */
  #rest = { bytes: -1, sinceMs: 0 };
  #isEnding = false;
  #hasBegun = false;
  #isOver = false;
  #leave = () => {};
  /** When something was sent last, as far as the sweeps have seen. */
  #sentMs = 0;
  #hasSent = false;

  constructor({ response, principal, flusher, limits }: EventStreamOptions) {
    this.participantId = participantOf(principal);
    this.expiresAtMs = principal.expiresAtMs ?? null;
    this.#response = response;
    this.#queue = new SendQueue({ socket: response, flusher, limits, owner: this });
    this.#quietMs = limits.quietMs;
    this.#stallMs = limits.stallMs;
  }

  get isOpen(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded;
  }

  begun(chunks: readonly Chunk[]): void {
    this.#hasBegun = true;
    this.#response.writeHead(200, headers);
    // One frame, which may be larger than the queue: what is there already is no sign of a slow reader.
    this.#send(Buffer.from(chunks.map((chunk) => toEvent(JSON.stringify(chunk))).join('')));
  }

  pushed(_push: StreamPush, chunkJson: string): void {
    this.#send(Buffer.from(toEvent(chunkJson)));
  }

  closed(): void {
    this.#queue.send(done);
    // The queue stays open until little waits: it sees whether the reader takes what is left.
    this.#queue.drained().then(
      () => {
        this.#queue.finish();
        this.#response.end();
        this.#isEnding = true;
      },
      () => {},
    );
  }

  tooSlow(): void {
    this.cut();
  }

  /** What was sent is no whole stream, and must not look like one. Before the head the call itself is answered. */
  cut(): void {
    if (this.#hasBegun) this.#response.destroy();
  }

  sweep(nowMs: number): void {
    if (!this.#hasBegun) return;
    this.#queue.sweep(nowMs);
    if (this.#isEnding) {
      this.#sweepRest(nowMs);
      return;
    }
    if (this.#hasSent || this.#sentMs === 0) this.#sentMs = nowMs;
    this.#hasSent = false;
    // The connection is known to be there, to us and to whatever stands between.
    if (nowMs - this.#sentMs >= this.#quietMs) this.#send(comment);
  }

  /** How the reading is left when the response is over, which it may be already. */
  onEnd(leave: () => void): void {
    this.#leave = leave;
    if (this.#isOver) leave();
  }

  left(): void {
    this.#isOver = true;
    this.#queue.close();
    this.#leave();
  }

  /** The last bytes are out of the queue: who takes none of them holds their memory, and the connection. */
  #sweepRest(nowMs: number): void {
    const bytes = this.#response.writableLength;
    if (bytes !== this.#rest.bytes) this.#rest = { bytes, sinceMs: nowMs };
    else if (nowMs - this.#rest.sinceMs >= this.#stallMs) this.cut();
  }

  #send(frame: Buffer): void {
    this.#hasSent = true;
    this.#queue.send(frame);
  }
}

function toEvent(chunkJson: string): string {
  return `data: ${chunkJson}\n\n`;
}
