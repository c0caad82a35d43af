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
    this.#sink.count(escapesOf(text));
    this.#begin();
    // In JSON no UTF-16 unit takes more than six bytes; half a surrogate pair goes with its other half.
    const maxLength = Math.floor(this.#sink.limits.maxLineBytes / 6);
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

/** How many bytes the text is longer as JSON: a control character takes six. */
function escapesOf(text: string): number {
  return JSON.stringify(text).length - '""'.length - text.length;
}

function endOfPiece(text: string, end: number): number {
  const isInsidePair = (text.codePointAt(end - 1) ?? 0) > 0xffff;
  return isInsidePair ? end - 1 : end;
}
