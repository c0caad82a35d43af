import { CallFailed, type CallFailure } from '../call-failure.ts';
import { maxExcerptBytes, toExcerpt } from '../webhook/response-excerpt.ts';
import type { AnswerEvent } from './answer-event.ts';
import { answerLimits } from './answer-limits.ts';
import { type AnswerParser, createParser } from './answer-parser.ts';
import { AnswerSink } from './answer-sink.ts';

/** An answer's head and bytes, as a call gives them. */
export interface AnswerSource {
  readonly status: number;
  readonly contentType: string | undefined;
  /** May reject with a `CallFailed`, which ends the answer. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The body ends with its connection: a cut one looks as a complete one does. */
  readonly endsWithConnection?: boolean;
  /** Instead of reading the body. */
  close(): void;
}

/** The agent has taken note and may write later; what its framework says besides ("accepted") is for nobody. */
const statusesOfNothing: ReadonlySet<number> = new Set([202, 204, 205]);

/**
 * What an answer says, as it comes. Never rejects for what the agent did: that is in the last event. Reading on is
 * what makes the agent go on; leaving early closes the connection. `onDropped` is told of each line or event that was
 * no chunk.
 */
export async function* readAnswer(
  source: AnswerSource,
  onDropped: () => void = () => {},
): AsyncGenerator<AnswerEvent> {
  const reader = new AnswerReader(source, onDropped);
  if (!statusesOfNothing.has(source.status)) yield* reader.events();
  else source.close();
  yield reader.end();
}

/** Owns what is left between the pieces of one answer: half a character, half a line, and the counts. */
class AnswerReader {
  readonly #source: AnswerSource;
  readonly #sink: AnswerSink;
  readonly #parser: AnswerParser | null;
  /** What is no UTF-8 becomes U+FFFD, as in browsers. */
  readonly #decoder = new TextDecoder();
  readonly #head: Uint8Array[] = [];
  #size = 0;
  #lost: CallFailure | null = null;

  constructor(source: AnswerSource, onDropped: () => void) {
    this.#source = source;
    this.#sink = new AnswerSink(answerLimits, onDropped);
    this.#parser = createParser(source.contentType, this.#sink);
  }

  async *events(): AsyncGenerator<AnswerEvent> {
    try {
      for await (const bytes of this.#source.body) {
        this.#push(bytes);
        yield* this.#sink.take();
        if (this.#sink.isOver) break;
      }
      if (this.#sink.isOver) this.#requireContent();
      else this.#complete();
      yield* this.#sink.take();
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      this.#lost = error.failure;
    }
  }

  end(): AnswerEvent {
    return {
      kind: 'end',
      failure: this.#lost ?? this.#sink.failure,
      excerpt: toExcerpt(Buffer.concat(this.#head)),
    };
  }

  #push(bytes: Uint8Array): void {
    // Copied: a piece would keep the whole buffer that it was read into.
    if (this.#size < maxExcerptBytes) this.#head.push(Buffer.from(bytes.subarray(0, maxExcerptBytes)));
    this.#size += bytes.length;
    if (this.#parser === null) this.#sink.fail('unknown_content_type', typeText(this.#source.contentType));
    else this.#parse(this.#parser, this.#decoder.decode(bytes, { stream: true }));
  }

  /** The text is what counts: a byte that is no UTF-8 has become three. */
  #parse(parser: AnswerParser, text: string): void {
    this.#sink.count(Buffer.byteLength(text));
    if (!this.#sink.isOver) parser.push(text);
  }

  /** A page of HTML under the wrong type, or another API's events, must not pass for an agent that has nothing to say. */
  #requireContent(): void {
    if (this.#size > 0 && this.#sink.isEmpty)
      this.#sink.fail('invalid_answer', 'holds no chunk and no message');
  }

  #complete(): void {
    const rest = this.#decoder.decode();
    if (rest !== '' && this.#parser !== null) this.#parse(this.#parser, rest);
    if (!this.#sink.isOver) this.#parser?.end();
    this.#requireContent();
    if (this.#source.endsWithConnection && this.#parser?.awaitsFinish && !this.#sink.isFinished)
      this.#sink.fail('connection_lost', 'ended with its connection, before its last chunk');
  }
}

function typeText(contentType: string | undefined): string {
  return contentType === undefined ? 'no content type' : toExcerpt(Buffer.from(contentType));
}
