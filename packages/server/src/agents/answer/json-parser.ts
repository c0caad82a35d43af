import { parseChunk } from '../../streams/chunk.ts';
import type { AnswerParser } from './answer-parser.ts';
import type { AnswerSink } from './answer-sink.ts';
import { isDocument, readDocument } from './json-document.ts';
import { JsonLinesParser } from './json-lines-parser.ts';
import { parseJson } from './parse-json.ts';

/**
 * `application/json`: a document, or chunks, one a line, as FleetLM's first agents wrote them. A first line that is
 * a chunk tells, and from then on they stream; else the whole is waited for.
 */
export class JsonParser implements AnswerParser {
  readonly #sink: AnswerSink;
  readonly #lines: JsonLinesParser;
  #mode: 'undecided' | 'lines' | 'document' = 'undecided';
  #pieces: string[] = [];

  constructor(sink: AnswerSink) {
    this.#sink = sink;
    this.#lines = new JsonLinesParser(sink);
  }

  get awaitsFinish(): boolean {
    return this.#mode === 'lines';
  }

  push(text: string): void {
    if (this.#mode === 'lines') {
      this.#lines.push(text);
      return;
    }
    this.#pieces.push(text);
    if (this.#mode === 'undecided' && text.includes('\n')) this.#decide();
  }

  end(): void {
    if (this.#mode !== 'lines') this.#readWhole(this.#takeAll());
    this.#lines.end();
  }

  #decide(): void {
    const text = this.#takeAll().trimStart();
    this.#pieces = [text];
    const lineEnd = text.indexOf('\n');
    if (lineEnd === -1) return;
    const value = lineEnd <= this.#sink.limits.maxLineBytes ? parseJson(text.slice(0, lineEnd)) : undefined;
    this.#mode = parseChunk(value) === null || isDocument(value) ? 'document' : 'lines';
    if (this.#mode === 'lines') this.#lines.push(this.#takeAll());
  }

  #readWhole(text: string): void {
    if (text.trim() === '') return;
    const value = parseJson(text);
    // Lines of which the first was broken, or one chunk.
    const isLines =
      value === undefined ? text.trim().includes('\n') : !isDocument(value) && parseChunk(value) !== null;
    if (!isLines) this.#readDocument(value);
    else {
      this.#mode = 'lines';
      this.#lines.push(text);
    }
  }

  #readDocument(value: unknown): void {
    const { messages, problem } = readDocument(value);
    if (problem === null) this.#sink.messages(messages);
    else this.#sink.fail('invalid_answer', problem);
  }

  #takeAll(): string {
    const text = this.#pieces.join('');
    this.#pieces = [];
    return text;
  }
}
