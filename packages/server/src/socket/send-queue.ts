import type { Writable } from 'node:stream';
import type { Flusher } from './flusher.ts';

interface SendLimits {
  readonly maxQueuedBytes: number;
  readonly stallMs: number;
}

export interface SendQueueOptions {
  /** The raw socket of an upgrade, or a response that streams. */
  readonly socket: Writable;
  readonly flusher: Pick<Flusher, 'add'>;
  readonly limits: SendLimits;
  readonly owner: SendQueueOwner;
}

/** What a send queue needs of its connection. */
export interface SendQueueOwner {
  /** False once a close frame was sent: nothing may follow it. */
  readonly isOpen: boolean;
  /** The reader is too slow. Called once, from a flush or a sweep, never from `send`. */
  tooSlow(): void;
}

/** Below this a reader that catches up gets its next page: a page or two, so that the socket never runs dry. */
const lowMarkBytes = 64 << 10;

/**
 * Bytes of one write: a reader of 6.4 kB/s still makes progress within the stall time of 10 s, and the cost of
 * a write is spread over many frames.
 */
const chunkBytes = 64 << 10;

/**
 * Up to here frames are copied behind each other: that is cheaper than to hand them over one by one. Beyond, sockets
 * whose readers are slow would hold much memory of their own instead of the broadcasts that they share.
 */
const joinedBytes = 16 << 10;

/** What a reader that waits for room is told when the socket closes. */
export class SocketClosedError extends Error {
  constructor() {
    super('the socket is closed');
    this.name = 'SocketClosedError';
  }
}

/**
 * All that is written to one socket: frames are collected and written together, once per flush.
 *
 * Owns the frames that wait and the promise of `drained`. States: open → slow (told `tooSlow`; frames are
 * dropped) → closed; open → closed. Called by its connection, and by the server's flusher.
 *
 * It writes whole frames to the raw socket beside ws, which writes only close frames there. Without
 * permessage-deflate ws writes those synchronously, between its own cork and uncork, and so do we: two frames
 * never interleave.
 */
export class SendQueue {
  readonly #socket: Writable;
  readonly #flusher: Pick<Flusher, 'add'>;
  readonly #limits: SendLimits;
  readonly #owner: SendQueueOwner;
  #frames: Buffer[] = [];
  /** Bytes of `#frames`; what is handed to the socket counts there. */
  #bytes = 0;
  /** The size of a frame above the limit that was let through alone; it does not count until the queue is empty. */
  #exemptBytes = 0;
  #state: 'open' | 'slow' | 'closed' = 'open';
  #isMarked = false;
  #writesUnderWay = 0;
  #writesDone = 0;
  #whenDrained: PromiseWithResolvers<void> | null = null;
  #stall: { readonly writesDone: number; readonly sinceMs: number } | null = null;

  constructor({ socket, flusher, limits, owner }: SendQueueOptions) {
    this.#socket = socket;
    this.#flusher = flusher;
    this.#limits = limits;
    this.#owner = owner;
  }

  /** Bytes that neither the kernel nor the reader has taken. */
  get waitingBytes(): number {
    return this.#bytes + this.#socket.writableLength;
  }

  /** Adds a whole WebSocket frame. It is never changed, so that a broadcast's bytes are shared. */
  send(frame: Buffer): void {
    if (this.#state !== 'open') return;
    this.#frames.push(frame);
    this.#bytes += frame.length;
    if (this.#bytes + this.#socket.writableLength > this.#limits.maxQueuedBytes) {
      this.#checkBound(frame);
    }
    this.#mark();
  }

  /** Writes what was collected, as far as the socket takes it. */
  flush(): void {
    this.#isMarked = false;
    if (this.#state === 'slow') this.#owner.tooSlow();
    // The peer has closed, or ws has: the close frame is out.
    if (!this.#owner.isOpen) this.close();
    while (this.#frames.length > 0 && this.#mayWrite()) this.#write(this.#takeChunk());
  }

  /** Whether the reader is gone or stuck: called at each sweep, so that sending costs no timestamp. */
  sweep(nowMs: number): void {
    if (this.#state !== 'open' || this.waitingBytes === 0) {
      this.#stall = null;
    } else if (this.#stall === null || this.#stall.writesDone !== this.#writesDone) {
      this.#stall = { writesDone: this.#writesDone, sinceMs: nowMs };
    } else if (nowMs - this.#stall.sinceMs >= this.#limits.stallMs) {
      this.#becomeSlow();
      this.#owner.tooSlow();
    }
  }

  /** Resolves when little waits; rejects with a `SocketClosedError`. */
  drained(): Promise<void> {
    if (this.#state !== 'open') return Promise.reject(new SocketClosedError());
    if (this.waitingBytes <= lowMarkBytes) return Promise.resolve();
    this.#whenDrained ??= Promise.withResolvers();
    return this.#whenDrained.promise;
  }

  /** Drops what waits: it must not be delivered any more. What the socket has taken cannot be called back. */
  discard(): void {
    this.#drop();
  }

  /** Writes all that waits, whatever the socket takes, and closes: a close frame comes next. */
  finish(): void {
    if (this.#state === 'open' && this.#frames.length > 0 && this.#owner.isOpen) {
      this.#write(this.#frames);
    }
    this.close();
  }

  /** Drops what waits. */
  close(): void {
    this.#state = 'closed';
    this.#drop();
    this.#whenDrained?.reject(new SocketClosedError());
    this.#whenDrained = null;
  }

  #mark(): void {
    if (this.#isMarked) return;
    this.#isMarked = true;
    this.#flusher.add(this);
  }

  /** Too much waits: write what the kernel takes, then judge. A burst to a fast reader is not its fault. */
  #checkBound(newest: Buffer): void {
    const { maxQueuedBytes } = this.#limits;
    const isAlone = this.waitingBytes === newest.length;
    if (isAlone) this.#exemptBytes = newest.length;
    if (!isAlone && this.waitingBytes - this.#exemptBytes > maxQueuedBytes) {
      this.flush();
      if (this.waitingBytes - this.#exemptBytes > maxQueuedBytes) this.#becomeSlow();
    }
  }

  /** Closing waits for the flush: `send` is called by a channel, which must not find itself left meanwhile. */
  #becomeSlow(): void {
    if (this.#state !== 'open') return;
    this.#state = 'slow';
    this.#drop();
  }

  #drop(): void {
    this.#frames = [];
    this.#bytes = 0;
  }

  /** One write of ours at a time, so that each completed one is progress that `sweep` can see. */
  #mayWrite(): boolean {
    return this.#writesUnderWay === 0 || this.#socket.writableLength === 0;
  }

  #takeChunk(): Buffer[] {
    if (this.#bytes <= chunkBytes) {
      const all = this.#frames;
      this.#drop();
      return all;
    }
    let bytes = 0;
    const end = this.#frames.findIndex((frame, index) => {
      bytes += frame.length;
      return index > 0 && bytes > chunkBytes;
    });
    const chunk = this.#frames.splice(0, end === -1 ? this.#frames.length : end);
    for (const frame of chunk) this.#bytes -= frame.length;
    return chunk;
  }

  #write(frames: readonly Buffer[]): void {
    const socket = this.#socket;
    if (frames.length === 1) socket.write(frames[0]);
    else if (bytesOf(frames) <= joinedBytes) socket.write(Buffer.concat(frames));
    else writeTogether(socket, frames);
    // The usual case. A callback would come a tick later, for every socket, to say what is known already.
    if (socket.writableLength === 0) this.#progressed();
    else {
      this.#writesUnderWay += 1;
      socket.write(nothing, (error) => this.#written(error));
    }
  }

  /** All that was written before is with the kernel. */
  #written(error?: Error | null): void {
    this.#writesUnderWay -= 1;
    // A broken socket takes nothing: its bytes are gone, but not drained. Its `close` event comes next.
    if (error || this.#state !== 'open') return;
    this.#progressed();
    if (this.#frames.length > 0 && !this.#isMarked) this.flush();
  }

  #progressed(): void {
    this.#writesDone += 1;
    if (this.waitingBytes === 0) this.#exemptBytes = 0;
    if (this.#whenDrained !== null && this.waitingBytes <= lowMarkBytes) {
      this.#whenDrained.resolve();
      this.#whenDrained = null;
    }
  }
}

/** Written behind what the kernel has not taken, to learn when it has. */
const nothing = Buffer.alloc(0);

function writeTogether(socket: Writable, frames: readonly Buffer[]): void {
  socket.cork();
  for (const frame of frames) socket.write(frame);
  socket.uncork();
}

function bytesOf(frames: readonly Buffer[]): number {
  let bytes = 0;
  for (const frame of frames) bytes += frame.length;
  return bytes;
}
