import { createParser, type EventSourceParser } from 'eventsource-parser';
import type { AnswerParser } from './answer-parser.ts';
import type { AnswerSink } from './answer-sink.ts';

/** What AI SDKs, and OpenAI's API before them, send last. */
const done = '[DONE]';

/** `text/event-stream`: each event's data is a chunk; its name and id say nothing more. */
export class EventStreamParser implements AnswerParser {
  readonly awaitsFinish = true;
  readonly #sink: AnswerSink;
  readonly #events: EventSourceParser;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
    const { maxLineBytes } = sink.limits;
    this.#events = createParser({
      // Of a line that does not end, and of an event of many lines. In UTF-16 units: the sink counts bytes.
      maxBufferSize: maxLineBytes,
      onEvent: ({ data }) => (data === done ? sink.finish() : sink.line(data)),
      // Unknown fields and odd retry times are to be ignored, by the specification.
      onError: ({ type }) => {
        if (type !== 'max-buffer-size-exceeded') return;
        sink.fail('line_too_large', `an event has more than ${maxLineBytes} bytes`);
      },
    });
  }

  push(text: string): void {
    this.#events.feed(text);
  }

  /** Browsers drop an event without its empty line. Here its author forgot it: the connection ended well. */
  end(): void {
    if (!this.#sink.isOver) this.#events.feed('\n\n');
  }
}
