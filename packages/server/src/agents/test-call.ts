import type { ParticipantId, TurnId } from '@fleetlm/protocol';
import { monotonicUlid } from '../lib/monotonic-ulid.ts';
import type { Chunk } from '../streams/chunk.ts';
import type { AnswerContent } from './answer/answer-event.ts';
import { readAnswer } from './answer/read-answer.ts';
import type { CallFailure } from './call-failure.ts';
import type { CallFacts } from './endpoints/endpoint.ts';
import { sampleCall } from './sample-call.ts';
import { encodeCallBody } from './turns/call-body.ts';
import type { CallOutcome } from './webhook/open-call.ts';
import type { WebhookClient } from './webhook/webhook-client.ts';

/** What a call with a sample came to. */
export interface TestReport {
  readonly ok: boolean;
  readonly httpStatus: number | null;
  readonly latencyMs: number;
  /** To the first chunk or message; null when none came. */
  readonly firstChunkMs: number | null;
  readonly contentType: string | null;
  readonly chunks: number;
  /** The beginning of what the answer says. */
  readonly text: string;
  readonly errorReason: string | null;
  readonly responseExcerpt: string;
}

export interface TestCallOptions {
  readonly agentId: ParticipantId;
  readonly signal: AbortSignal;
  /** Told of each chunk and message, as it comes. */
  readonly onEvent?: (event: AnswerContent) => void;
}

/** Enough to recognise an answer by; the test is no transcript. */
const maxTextLength = 2_000;

const newTurnId = monotonicUlid();

/** Calls an endpoint once, with a made-up session. Nothing is stored, and nothing is tried again. */
export async function testCall(
  client: WebhookClient,
  facts: CallFacts,
  { agentId, signal, onEvent }: TestCallOptions,
): Promise<TestReport> {
  const turnId = newTurnId() as TurnId;
  const test = new TestAnswer();
  const outcome = await client.call({ ...facts, id: turnId, body: sampleBody(turnId, agentId), signal });
  if (outcome.kind === 'failed') return test.report(outcome, outcome.failure, outcome.excerpt);
  for await (const event of readAnswer(outcome)) {
    if (event.kind === 'end') return test.report(outcome, event.failure, event.excerpt);
    test.take(event);
    onEvent?.(event);
  }
  throw new Error('an answer ended without an end');
}

/** Owns what is known of an answer while it comes. */
class TestAnswer {
  readonly #startedMs = performance.now();
  #firstChunkMs: number | null = null;
  #chunks = 0;
  #text = '';
  #errorText: string | null = null;

  take(event: AnswerContent): void {
    this.#firstChunkMs ??= this.#elapsedMs;
    this.#chunks += event.kind === 'chunk' ? 1 : 0;
    this.#text = (this.#text + textOf(event)).slice(0, maxTextLength);
    if (event.kind === 'chunk' && event.chunk.type === 'error') this.#errorText = errorTextOf(event.chunk);
  }

  report(outcome: CallOutcome, failure: CallFailure | null, responseExcerpt: string): TestReport {
    const failed = failure === null ? null : `${failure.reason}: ${failure.detail}`;
    const said = this.#errorText === null ? null : `error chunk: ${this.#errorText}`;
    const errorReason = failed ?? said;
    const isAnswered = outcome.kind === 'answered';
    return {
      ok: errorReason === null,
      httpStatus: (isAnswered ? outcome.status : failure?.status) ?? null,
      latencyMs: this.#elapsedMs,
      firstChunkMs: this.#firstChunkMs,
      contentType: (isAnswered && outcome.contentType) || null,
      chunks: this.#chunks,
      text: this.#text.toWellFormed(),
      errorReason,
      responseExcerpt,
    };
  }

  get #elapsedMs(): number {
    return Math.round(performance.now() - this.#startedMs);
  }
}

/** What an event adds to the text that somebody would read. */
function textOf(event: AnswerContent): string {
  if (event.kind === 'messages') return event.messages.map(({ content }) => textIn(content)).join('\n');
  const { type, delta } = event.chunk;
  return type === 'text-delta' ? String(delta) : '';
}

function textIn({ text, parts }: Readonly<Record<string, unknown>>): string {
  if (typeof text === 'string') return text;
  const texts = Array.isArray(parts) ? parts.map((part: { text?: unknown } | null) => part?.text) : [];
  return texts.filter((each) => typeof each === 'string').join('\n');
}

function errorTextOf({ errorText }: Chunk): string {
  return String(errorText).slice(0, maxTextLength).toWellFormed();
}

function sampleBody(turnId: TurnId, agentId: ParticipantId): Buffer {
  const timestamp = new Date().toISOString();
  const { session, message } = sampleCall(agentId, timestamp);
  return encodeCallBody({
    turnId,
    attempt: 1,
    agentId,
    sessionJson: JSON.stringify(session),
    messagesJson: [JSON.stringify(message)],
    newFromSeq: 1,
    timestamp,
    isTest: true,
  });
}
