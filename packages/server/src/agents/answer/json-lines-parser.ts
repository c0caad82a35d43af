import type { AnswerParser } from './answer-parser.ts';
import type { AnswerSink } from './answer-sink.ts';

/** `application/x-ndjson`: each line is a chunk; empty ones are none. Owns the line that has not ended. */
export class JsonLinesParser implements AnswerParser {
  readonly awaitsFinish = true;
  readonly #sink: AnswerSink;
  /** In pieces: joining them each time would copy a long line again and again. */
  #pieces: string[] = [];
  #pendingLength = 0;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  push(text: string): void {
    let from = 0;
    for (let to = text.indexOf('\n'); to !== -1; to = text.indexOf('\n', from)) {
      this.#pieces.push(text.slice(from, to));
      this.#endLine();
      from = to + 1;
    }
    this.#keep(text.slice(from));
  }

  end(): void {
    this.#endLine();
  }

  #keep(piece: string): void {
    if (piece === '') return;
    this.#pieces.push(piece);
    this.#pendingLength += piece.length;
    const { maxLineBytes } = this.#sink.limits;
    if (this.#pendingLength <= maxLineBytes) return;
    this.#sink.fail('line_too_large', `a line has more than ${maxLineBytes} bytes`);
    this.#pieces = [];
  }

  #endLine(): void {
    const line = this.#pieces.join('').trim();
    this.#pieces = [];
    this.#pendingLength = 0;
    if (line !== '') this.#sink.line(line);
  }
}
