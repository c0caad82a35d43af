import type { AnswerParser } from './answer-parser.ts';
import type { AnswerSink } from './answer-sink.ts';

/** A message has one text, so that its id need not differ from another's. */
const id = 'text';

/** `text/plain`: the text as it comes, as the chunks that the AI SDK would make of it. */
export class TextParser implements AnswerParser {
  readonly awaitsFinish = false;
  readonly #sink: AnswerSink;
  #hasBegun = false;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  push(text: string): void {
    if (text === '') return;
    this.#begin();
    // No UTF-16 unit takes more than three bytes; half a surrogate pair goes with its other half.
    const maxLength = Math.floor(this.#sink.limits.maxLineBytes / 3);
    for (let from = 0; from < text.length; ) {
      const to = endOfPiece(text, from + maxLength);
      this.#sink.chunk({ type: 'text-delta', id, delta: text.slice(from, to) });
      from = to;
    }
  }

  end(): void {
    if (!this.#hasBegun) return;
    this.#sink.chunk({ type: 'text-end', id });
    this.#sink.chunk({ type: 'finish' });
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#sink.chunk({ type: 'start' });
    this.#sink.chunk({ type: 'text-start', id });
  }
}

function endOfPiece(text: string, end: number): number {
  const isInsidePair = (text.codePointAt(end - 1) ?? 0) > 0xffff;
  return isInsidePair ? end - 1 : end;
}
