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

/**
 * `waiting`: the call may still be answered in another way. `open`: the head is out, and chunks follow. `ending`: all is
 * out of the queue, and the reader is taking the rest. `over`: the response is, however it came to that.
 */
type State = 'waiting' | 'open' | 'ending' | 'over';

/** Before the first sweep of a state. */
const unseen = { mark: -1, sinceMs: 0 };

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
  #state: State = 'waiting';
  /** What moved last, as far as the sweeps have seen: frames while it is open, then the bytes that are left. */
  #clock = unseen;
  #frames = 0;
  #leave = () => {};

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
    this.#enter('open');
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
        this.#enter('ending');
      },
      () => {},
    );
  }

  tooSlow(): void {
    this.cut();
  }

  /** What was sent is no whole stream, and must not look like one. Before the head the call itself is answered. */
  cut(): void {
    if (this.#state !== 'waiting') this.#response.destroy();
  }

  sweep(nowMs: number): void {
    if (this.#state === 'waiting') return;
    this.#queue.sweep(nowMs);
    if (this.#state === 'ending') {
      // The last bytes are out of the queue: who takes none of them holds their memory, and the connection.
      if (this.#unmovedMs(this.#response.writableLength, nowMs) >= this.#stallMs) this.cut();
    } else if (this.#unmovedMs(this.#frames, nowMs) >= this.#quietMs) {
      // The connection is known to be there, to us and to whatever stands between.
      this.#send(comment);
    }
  }

  /** How the reading is left when the response is over, which it may be already. */
  onEnd(leave: () => void): void {
    this.#leave = leave;
    if (this.#state === 'over') leave();
  }

  left(): void {
    this.#enter('over');
    this.#queue.close();
    this.#leave();
  }

  /** `over` stays: a response may be so before its stream begins or ends. */
  #enter(state: State): void {
    if (this.#state === 'over') return;
    this.#state = state;
    this.#clock = unseen;
  }

  /** For how long the sweeps have seen this same mark. */
  #unmovedMs(mark: number, nowMs: number): number {
    if (mark !== this.#clock.mark) this.#clock = { mark, sinceMs: nowMs };
    return nowMs - this.#clock.sinceMs;
  }

  #send(frame: Buffer): void {
    this.#frames += 1;
    this.#queue.send(frame);
  }
}

function toEvent(chunkJson: string): string {
  return `data: ${chunkJson}\n\n`;
}
