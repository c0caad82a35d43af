import type { DraftInput } from '@fleetlm/protocol';
import { type Chunk, parseChunk } from '../../streams/chunk.ts';
import { terminationOf } from '../../streams/termination.ts';
import { type CallFailure, callFailure, type FailureReason } from '../call-failure.ts';
import type { AnswerContent } from './answer-event.ts';
import type { AnswerLimits } from './answer-limits.ts';
import { isSafeJson, parseJson } from './parse-json.ts';

/**
 * Where parsers put what they find. Owns the events that nobody has taken yet, the counts, and the answer's end:
 * after it nothing is taken in.
 */
export class AnswerSink {
  readonly limits: AnswerLimits;
  readonly #onDropped: () => void;
  #events: AnswerContent[] = [];
  #bytes = 0;
  #chunks = 0;
  #isEmpty = true;
  #isOver = false;
  #isFinished = false;
  #failure: CallFailure | null = null;

  constructor(limits: AnswerLimits, onDropped: () => void) {
    this.limits = limits;
    this.#onDropped = onDropped;
  }

  /** By a failure, or because the answer said so. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get failure(): CallFailure | null {
    return this.#failure;
  }

  /** Whether no chunk and no message came. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Whether the answer said that it is complete. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** The events since the last time. */
  take(): readonly AnswerContent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Counts what of the answer would be stored. */
  count(bytes: number): void {
    this.#bytes += bytes;
    const { maxBytes } = this.limits;
    if (this.#bytes > maxBytes) this.fail('answer_too_large', `more than ${maxBytes} bytes`);
  }

  /** The JSON of one chunk. What is none is dropped. */
  line(text: string): void {
    if (this.#isOver) return;
    if (isLonger(text, this.limits.maxLineBytes)) {
      this.fail('line_too_large', `a line has more than ${this.limits.maxLineBytes} bytes`);
      return;
    }
    const value = parseJson(text);
    const chunk = isSafeJson(value) ? parseChunk(value) : null;
    if (chunk === null) this.#onDropped();
    else this.chunk(chunk);
  }

  chunk(chunk: Chunk): void {
    if (this.#isOver) return;
    this.#chunks += 1;
    if (this.#chunks > this.limits.maxChunks) {
      this.fail('too_many_chunks', `more than ${this.limits.maxChunks} chunks`);
      return;
    }
    if (terminationOf(chunk) !== null) this.#isFinished = true;
    this.#add({ kind: 'chunk', chunk });
  }

  messages(messages: readonly DraftInput[]): void {
    if (!this.#isOver) this.#add({ kind: 'messages', messages });
  }

  /** The answer says that it is complete. */
  finish(): void {
    this.#isFinished = true;
    this.#isOver = true;
  }

  fail(reason: FailureReason, detail: string): void {
    this.#failure ??= callFailure(reason, detail);
    this.#isOver = true;
  }

  #add(event: AnswerContent): void {
    this.#isEmpty = false;
    this.#events.push(event);
  }
}

/** No UTF-16 unit takes more than three bytes, so that most texts need not be measured. */
function isLonger(text: string, maxBytes: number): boolean {
  return text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes;
}
