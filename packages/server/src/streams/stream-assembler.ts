import type { Chunk } from './chunk.ts';
import { ChunkLog } from './chunk-log.ts';
import { DeltaRun, isPlainDelta, keyOfDelta } from './delta-run.ts';
import { type FoldedMessage, MessageFold } from './message-fold.ts';
import { storableMessage } from './storable-message.ts';
import { shownTerminal, type Termination, terminalChunk, terminationOf } from './termination.ts';

/** A chunk as the session's readers get it; `index` begins at 0 and has no gaps. */
export interface StreamPush {
  readonly index: number;
  readonly chunk: Chunk;
}

/** Why a stream ended with an error that is not the agent's. */
export type StreamProblem = 'stream_too_large';

/** What is to be committed before the terminal chunk is shown. */
export interface StreamEnding {
  readonly termination: Termination;
  readonly problem: StreamProblem | null;
  /** Can be stored as it is. */
  readonly message: FoldedMessage;
  /** False: there is nothing to append. */
  readonly hasContent: boolean;
}

/** Chunks that make the same message as all pushes before `nextIndex`. */
export interface CompactStream {
  readonly nextIndex: number;
  readonly chunks: readonly Chunk[];
}

/** Chunks that make the same of the message as the pushes from `firstIndex` up to `nextIndex`. */
export interface StreamSegment extends CompactStream {
  readonly firstIndex: number;
}

/**
 * Most of an answer that is put into its message once more (`MessageFold.carriedSize`): as much as the answer itself
 * may have, whose own bytes and chunks are counted where it is read.
 */
const maxCarriedSize = 1 << 20;

/**
 * How long a delta may wait for others of its part: nobody sees it, and a model at 100 a second costs a
 * third.
 */
export const joinMs = 30;

/** Most text of joined deltas in one push, in UTF-16 units: what a chunk of an agent may have. */
const maxJoinedLength = 64 << 10;

/**
 * One running stream of an agent's answer: what its readers are sent, what a late one needs, what is saved,
 * and the message at its end. Pure: the time is an argument, in ms of a clock that does not go back.
 *
 * - `running`: chunks come in; each goes out at once, but deltas of one part that follow each other within
 *   `joinMs` go out as one. A chunk that has no place in the stream is left out.
 * - `ending`: its last chunk has come, or `end` was called. `ending` says what to commit. Nothing more is
 *   taken, but a stop still wins, as it does in the database.
 * - `ended`: `close` was called after the commit, and gave the terminal chunk: `finish`, `abort` or `error`,
 *   once.
 *
 * The caller calls `flush` at `deadlineMs`, `takeSegment` about every second, and sends what it gets in
 * order.
 */
export class StreamAssembler {
  readonly #fold = new MessageFold();
  readonly #log = new ChunkLog();
  #unsaved = new ChunkLog();
  #firstUnsaved = 0;
  #nextIndex = 0;
  /** Deltas that wait, already folded. */
  #waiting: DeltaRun | null = null;
  #lastDeltaMs = Number.NEGATIVE_INFINITY;
  #end: End | null = null;
  #isClosed = false;

  get state(): 'running' | 'ending' | 'ended' {
    if (this.#end === null) return 'running';
    return this.#isClosed ? 'ended' : 'ending';
  }

  /** When `flush` is due; null while nothing waits. */
  get deadlineMs(): number | null {
    return this.#waiting === null ? null : this.#lastDeltaMs + joinMs;
  }

  /** Of the push that comes next. */
  get nextIndex(): number {
    return this.#nextIndex;
  }

  /** Null while it runs. */
  get ending(): StreamEnding | null {
    return this.#end?.ending ?? null;
  }

  /** Takes a chunk of the agent. */
  push(chunk: Chunk, nowMs: number): readonly StreamPush[] {
    if (this.#end !== null) return none;
    const termination = terminationOf(chunk);
    if (termination !== null) return this.#endWith(termination, shownTerminal(chunk), nowMs);
    const carriedBefore = this.#fold.carriedSize;
    if (!this.#fold.apply(chunk)) return none;
    if (this.#fold.carriedSize > carriedBefore) return this.#pushCarried(chunk, nowMs);
    return isPlainDelta(chunk) ? this.#pushDelta(chunk, nowMs) : this.#pushWhole(chunk, nowMs);
  }

  /** Sends the deltas that wait. */
  flush(nowMs: number): readonly StreamPush[] {
    if (this.#waiting === null) return none;
    const chunk = this.#waiting.toChunk();
    this.#waiting = null;
    this.#lastDeltaMs = nowMs;
    return [this.#emit(chunk)];
  }

  /**
   * Ends the stream, if it runs; `stopped` also in place of another ending that was not yet closed. Gives the
   * deltas that waited: the terminal chunk comes with `close`.
   */
  end(termination: Termination, nowMs: number, errorText?: string): readonly StreamPush[] {
    if (this.#isClosed) return none;
    const isStop = termination === 'stopped' && this.#end?.ending.termination !== 'stopped';
    if (this.#end !== null && !isStop) return none;
    return this.#endWith(termination, terminalChunk(termination, errorText), nowMs);
  }

  /**
   * Gives the terminal chunk, once, after the end was committed; `committed` is how, when somebody else was
   * first. Null while it runs and when it was given.
   */
  close(committed?: Termination): StreamPush | null {
    if (this.#end === null || this.#isClosed) return null;
    const { terminal, ending } = this.#end;
    this.#isClosed = true;
    const isOther = committed !== undefined && committed !== ending.termination;
    return this.#emit(isOther ? terminalChunk(committed) : terminal);
  }

  /** For who joins now. */
  compact(): CompactStream {
    return { nextIndex: this.#nextIndex, chunks: this.#log.chunks() };
  }

  /** What was sent since the last segment; null when there is nothing. The caller saves them in order. */
  takeSegment(): StreamSegment | null {
    const firstIndex = this.#firstUnsaved;
    const nextIndex = this.#nextIndex;
    if (firstIndex === nextIndex) return null;
    const chunks = this.#unsaved.chunks();
    this.#unsaved = new ChunkLog();
    this.#firstUnsaved = nextIndex;
    return { firstIndex, nextIndex, chunks };
  }

  /**
   * The first delta after a pause goes at once; those that follow wait until `joinMs` after the last that
   * went.
   */
  #pushDelta(chunk: Chunk, nowMs: number): readonly StreamPush[] {
    const waiting = this.#waiting;
    if (waiting === null) return this.#startRun(chunk, nowMs);
    if (waiting.key !== keyOfDelta(chunk) || waiting.length >= maxJoinedLength) {
      const sent = this.flush(nowMs);
      this.#waiting = new DeltaRun(chunk);
      return sent;
    }
    waiting.add(chunk);
    return nowMs >= this.#lastDeltaMs + joinMs ? this.flush(nowMs) : none;
  }

  #startRun(chunk: Chunk, nowMs: number): readonly StreamPush[] {
    if (nowMs < this.#lastDeltaMs + joinMs) {
      this.#waiting = new DeltaRun(chunk);
      return none;
    }
    this.#lastDeltaMs = nowMs;
    return [this.#emit(chunk)];
  }

  #pushWhole(chunk: Chunk, nowMs: number): readonly StreamPush[] {
    const sent = this.flush(nowMs);
    const push = this.#emit(chunk);
    return sent.length === 0 ? [push] : [...sent, push];
  }

  /**
   * An input that goes on in another step: the delta makes a part there, and by the SDK the next one changes
   * it.
   */
  #pushCarried(chunk: Chunk, nowMs: number): readonly StreamPush[] {
    const pushes = this.#pushWhole(chunk, nowMs);
    this.#log.separate(chunk);
    this.#unsaved.separate(chunk);
    const isTooLarge = this.#fold.carriedSize > maxCarriedSize;
    return isTooLarge ? [...pushes, ...this.#fail('stream_too_large', nowMs)] : pushes;
  }

  #fail(problem: StreamProblem, nowMs: number): readonly StreamPush[] {
    return this.#endWith('error', terminalChunk('error', problemTexts[problem]), nowMs, problem);
  }

  #endWith(
    termination: Termination,
    terminal: Chunk,
    nowMs: number,
    problem: StreamProblem | null = null,
  ): readonly StreamPush[] {
    const sent = this.flush(nowMs);
    const message = storableMessage(this.#fold.messageWith(terminal));
    const hasContent = message.parts.some(isContent);
    this.#end = { terminal, ending: { termination, problem, message, hasContent } };
    return sent;
  }

  #emit(chunk: Chunk): StreamPush {
    const index = this.#nextIndex;
    this.#nextIndex += 1;
    this.#log.append(chunk);
    this.#unsaved.append(chunk);
    return { index, chunk };
  }
}

interface End {
  readonly terminal: Chunk;
  readonly ending: StreamEnding;
}

const none: readonly never[] = [];

const problemTexts: Readonly<Record<StreamProblem, string>> = {
  stream_too_large: 'The answer is larger than a message may be',
};

/** Anything that somebody could see: not where a step begins, and not a text that never came. */
function isContent(part: FoldedMessage['parts'][number]): boolean {
  if (part.type === 'text' || part.type === 'reasoning') return part['text'] !== '';
  return part.type !== 'step-start';
}
