import type { AnswerSink } from './answer-sink.ts';
import { EventStreamParser } from './event-stream-parser.ts';
import { JsonLinesParser } from './json-lines-parser.ts';
import { JsonParser } from './json-parser.ts';
import { TextParser } from './text-parser.ts';

/** Turns the text of an answer, in whatever pieces it comes, into what a sink takes. */
export interface AnswerParser {
  /** Whether it has read chunks that only a last chunk completes; other answers tell by themselves, or cannot. */
  readonly awaitsFinish: boolean;
  push(text: string): void;
  /** The answer is complete. */
  end(): void;
}

const parsersByType: Readonly<Record<string, new (sink: AnswerSink) => AnswerParser>> = {
  'text/event-stream': EventStreamParser,
  'application/x-ndjson': JsonLinesParser,
  'application/jsonl': JsonLinesParser,
  'application/json': JsonParser,
  'text/plain': TextParser,
};

/** All that these formats are written in. */
const charsets: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii']);

/** The parser for a content type, or null when there is none. */
export function createParser(contentType: string | undefined, sink: AnswerSink): AnswerParser | null {
  const [type = '', ...parameters] = (contentType ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length);
  if (charset !== undefined && !charsets.has(charset.replaceAll('"', ''))) return null;
  const Parser = Object.hasOwn(parsersByType, type) ? parsersByType[type] : undefined;
  return Parser === undefined ? null : new Parser(sink);
}
