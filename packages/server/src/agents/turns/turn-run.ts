import type { TurnEnd } from '../../observability/labels.ts';
import type { Trace } from '../../observability/tracing.ts';
import type { RunningStream } from '../../streams/running-stream.ts';
import type { Termination } from '../../streams/termination.ts';
import type { AnswerEvent } from '../answer/answer-event.ts';
import { type AnswerSource, readAnswer } from '../answer/read-answer.ts';
import type { CallFailure } from '../call-failure.ts';
import { decideAfterFailure, mayAttempt } from './after-failure.ts';
import { type DeliveryFacts, logDelivery } from './delivery-log.ts';
import { persist } from './persist.ts';
import { type PreparedCall, prepareCall } from './prepare-call.ts';
import type { RunningTurn } from './running-turn.ts';
import { readSegments } from './stream-segments.ts';
import { type AnswerResult, type Shortfall, TurnAnswer } from './turn-answer.ts';
import { terminationAfter, turnEndOf } from './turn-end.ts';
import type { TurnParts } from './turn-parts.ts';

/** What is to happen next to the session of a turn that was run. */
export interface RunOutcome {
  /** The turn waits for its next attempt. */
  readonly retryInMs: number | null;
}

/** How the dispatcher cut it. */
type Cut = 'stopped' | 'interrupted' | 'lost';

type Prepared = Extract<PreparedCall, { problem: null }>;

const over: RunOutcome = { retryInMs: null };

/**
 * One turn while it runs on this node: one attempt to call its agent, from the claim to its end or to the next
 * attempt. Whatever the agent does ends in one of these. Made and run by the dispatcher, which also cuts it:
 *
 * - `stop`: a stop was committed. The call is aborted, the turn ends as stopped, with what came until now.
 * - `interrupt`: this node stops, or the agent may not speak in the session any more. What was shown ends as
 *   interrupted, anything else is given back.
 * - `abandon`: the lease is lost. Nothing is stored any more.
 */
export class TurnRun {
  readonly turn: RunningTurn;
  readonly #parts: TurnParts;
  readonly #answer: TurnAnswer;
  /** Aborts the call. */
  readonly #call = new AbortController();
  /** Nobody waits for Postgres any more. */
  readonly #end = new AbortController();
  readonly #startedMs = performance.now();
  readonly #trace: Trace | null;
  #cut: Cut | null = null;
  /** The beginning of the answer, and why it fell short: for the log and the trace. */
  #excerpt = '';
  #errorReason: string | null = null;

  constructor(turn: RunningTurn, parts: TurnParts) {
    this.turn = turn;
    this.#parts = parts;
    this.#trace = parts.tracing.begin('agent turn', { isCall: true });
    this.#trace?.add({ 'fleetlm.turn_id': turn.id, 'fleetlm.attempt': turn.attempt });
    this.#answer = new TurnAnswer(turn, parts, { trace: this.#trace, signal: this.#end.signal });
  }

  /** Null until something is shown. */
  get stream(): RunningStream | null {
    return this.#answer.stream;
  }

  stop(): void {
    this.#cutAs('stopped');
  }

  interrupt(): void {
    this.#cutAs('interrupted');
  }

  abandon(): void {
    this.#cut = 'lost';
    this.#answer.abandon();
    this.#call.abort();
    this.#end.abort(new Error('the turn is not ours any more'));
  }

  /** Calls the agent, or ends what an attempt of a node that is gone has left. Never rejects. */
  async run(): Promise<RunOutcome> {
    try {
      return await this.#run();
    } catch (error) {
      return this.#lose(error);
    } finally {
      this.#trace?.end(this.#errorReason);
    }
  }

  /** Takes a stream that the agent writes by itself. Never rejects; null: the turn was lost. */
  async runWritten(source: AnswerSource): Promise<AnswerResult> {
    const close = () => source.close();
    this.#call.signal.addEventListener('abort', close, { once: true });
    if (this.#cut !== null) close();
    try {
      this.#answer.resume(this.turn.stream!, []);
      const failure = await this.#read(source);
      return await this.#endAs(terminationAfter(failure), failure);
    } catch (error) {
      this.#lose(error);
      return null;
    } finally {
      this.#trace?.end(this.#errorReason);
    }
  }

  #cutAs(how: 'stopped' | 'interrupted'): void {
    if (this.#cut !== null) return;
    this.#cut = how;
    this.#answer.cut(how);
    this.#call.abort();
  }

  async #run(): Promise<RunOutcome> {
    const { turn } = this;
    if (turn.stream !== null) return this.#recover(turn.stream);
    if (turn.stopRequested) this.stop();
    const prepared = await this.#persist(() => prepareCall(turn, this.#parts));
    if (this.#cut !== null) return this.#endCut(this.#cut);
    if (prepared.problem !== null) return this.#endUncalled(prepared.problem);
    return this.#attempt(prepared);
  }

  /** The node that had it is gone: its stream ends with what it had saved. */
  async #recover(stream: NonNullable<RunningTurn['stream']>): Promise<RunOutcome> {
    this.#answer.resume(stream, await this.#persist(() => readSegments(this.#parts.db, stream.id)));
    const detail = 'the node that streamed it is gone';
    const termination = this.turn.stopRequested ? 'stopped' : 'interrupted';
    await this.#endAs(termination, { reason: 'interrupted', detail });
    return over;
  }

  async #attempt({ endpoint, facts, body }: Prepared): Promise<RunOutcome> {
    const { webhooks, failpoints } = this.#parts;
    if (!mayAttempt(this.turn.attempt, endpoint)) {
      const detail = 'nodes that called it are gone';
      return this.#fail('dead', { reason: 'too_many_attempts', detail });
    }
    if (failpoints.isSet('before_call')) await failpoints.reach('before_call');
    const calledMs = performance.now();
    const outcome = await webhooks.call({
      ...facts,
      id: this.turn.id,
      body,
      ...(this.#trace !== null && { traceparent: this.#trace.traceparent }),
      signal: this.#call.signal,
    });
    const latencyMs = performance.now() - calledMs;
    if (outcome.kind === 'failed') {
      return this.#afterFailure(outcome.failure, endpoint, { latencyMs, excerpt: outcome.excerpt });
    }
    const failure = await this.#read(outcome);
    const call = { latencyMs, excerpt: this.#excerpt, httpStatus: outcome.status };
    if (failure !== null && !this.#answer.hasBegun) return this.#afterFailure(failure, endpoint, call);
    this.#log(call, failure === null ? 'sent' : 'failed', failure);
    await this.#endAs(terminationAfter(failure), failure);
    return over;
  }

  /** Reads an answer to its end, or to where nothing more is wanted; says why it fell short. */
  async #read(source: AnswerSource): Promise<CallFailure | null> {
    let droppedLines = 0;
    const onDropped = () => void droppedLines++;
    try {
      return await this.#take(readAnswer(source, onDropped));
    } finally {
      this.#tellDropped(droppedLines);
    }
  }

  async #take(events: AsyncIterable<AnswerEvent>): Promise<CallFailure | null> {
    const { failpoints, metrics } = this.#parts;
    let isFirst = true;
    for await (const event of events) {
      if (event.kind === 'end') {
        this.#excerpt = event.excerpt;
        this.#errorReason = event.failure?.reason ?? null;
        return event.failure;
      }
      if (isFirst) metrics.firstChunkCame(this.turn.ageMs + performance.now() - this.#startedMs);
      isFirst = false;
      const goesOn = this.#answer.take(event);
      if (!(typeof goesOn === 'boolean' ? goesOn : await goesOn)) return null;
      if (failpoints.isSet('mid_stream')) await failpoints.reach('mid_stream');
    }
    return null;
  }

  /** They are dropped so that one bad line ends no answer; whoever looks for a lost word finds them here. */
  #tellDropped(lines: number): void {
    if (lines === 0) return;
    this.#parts.log.debug(
      { turn_id: this.turn.id, dropped_lines: lines },
      'lines of an answer were no chunks',
    );
  }

  async #afterFailure(
    failure: CallFailure,
    endpoint: Prepared['endpoint'],
    call: Pick<DeliveryFacts, 'latencyMs' | 'excerpt'>,
  ): Promise<RunOutcome> {
    if (this.#cut !== null) {
      this.#log(call, 'failed', failure);
      return this.#endCut(this.#cut);
    }
    const { store, endpoints } = this.#parts;
    const { turn } = this;
    this.#errorReason = failure.reason;
    const step = decideAfterFailure(failure, turn.attempt, endpoint, Math.random());
    this.#log(call, step.kind === 'retry' ? 'retry' : 'failed', failure);
    if (failure.reason === 'gone') await this.#persist(() => endpoints.disable(turn.agentId, failure.detail));
    if (step.kind === 'end') return this.#fail(step.status, failure);
    const error = `${failure.reason}: ${failure.detail}`;
    const isWaiting = await this.#persist(() => store.retry(turn, step.delayMs, error));
    if (isWaiting) return { retryInMs: step.delayMs };
    // A stop was first, or another node: that decides.
    await this.#endAs('stopped', null);
    return over;
  }

  async #endCut(cut: Cut): Promise<RunOutcome> {
    if (cut === 'lost') return over;
    if (cut === 'interrupted' && !this.#answer.hasBegun) {
      const isGivenBack = await this.#persist(() => this.#parts.store.release(this.turn));
      if (isGivenBack) return over;
    }
    await this.#endAs(cut, null);
    return over;
  }

  /** Where the agent or the session is gone there is nobody to tell. */
  async #endUncalled(reason: Exclude<PreparedCall['problem'], null>): Promise<RunOutcome> {
    if (reason === 'no_endpoint') return this.#fail('failed', { reason, detail: 'it was removed' });
    const isEnded = await this.#persist(() => this.#parts.store.end(this.turn, 'failed', reason));
    if (isEnded) this.#note('failed');
    else await this.#endAs('stopped', null);
    return over;
  }

  async #endAs(termination: Termination, shortfall: Shortfall | null): Promise<AnswerResult> {
    const result = await this.#answer.end(termination, shortfall);
    this.#note(result && turnEndOf(result.termination));
    return result;
  }

  async #fail(status: 'failed' | 'dead', shortfall: Shortfall): Promise<RunOutcome> {
    this.#note(await this.#answer.fail(status, shortfall));
    return over;
  }

  /** The one place that counts ends; null: the turn was lost, and ends elsewhere. */
  #note(end: TurnEnd | null): void {
    if (end !== null) this.#parts.metrics.turnEnded(end, this.#ageMs);
  }

  get #ageMs(): number {
    return this.turn.ageMs + performance.now() - this.#startedMs;
  }

  /** Nobody waits for the log, and an answer is worth more than its line there. */
  #log(
    call: Pick<DeliveryFacts, 'latencyMs' | 'excerpt'> & { httpStatus?: number },
    status: DeliveryFacts['status'],
    failure: CallFailure | null,
  ): void {
    const { db, log, metrics } = this.#parts;
    const httpStatus = call.httpStatus ?? failure?.status ?? null;
    const { latencyMs, excerpt } = call;
    metrics.delivered(status);
    const delivery = { status, httpStatus, latencyMs, excerpt, errorReason: failure?.reason ?? null };
    logDelivery(db, this.turn, delivery).catch((error: unknown) =>
      log.warn({ err: error, turn_id: this.turn.id }, 'a delivery could not be logged'),
    );
  }

  #persist<T>(work: () => Promise<T>): Promise<T> {
    return persist(work, this.#end.signal, this.#parts.log);
  }

  /** A fault of ours. The turn's lease runs out, and whoever takes it over ends or calls it again. */
  #lose(error: unknown): RunOutcome {
    if (this.#cut !== 'lost') {
      this.#parts.log.error({ err: error, turn_id: this.turn.id }, 'a turn failed');
      this.abandon();
    }
    return over;
  }
}
