import type { CallFailure } from '../call-failure.ts';
import { decideAfterFailure, mayAttempt } from './after-failure.ts';
import { type DeliveryFacts, logDelivery } from './delivery-log.ts';
import { type PreparedCall, prepareCall } from './prepare-call.ts';
import type { RunningTurn } from './running-turn.ts';
import { readSegments } from './stream-segments.ts';
import type { Shortfall } from './turn-answer.ts';
import { terminationAfter } from './turn-end.ts';
import type { TurnParts } from './turn-parts.ts';
import type { Cut, TurnRun } from './turn-run.ts';

/** What is to happen next to the session of a turn that was run. */
export interface RunOutcome {
  /** The turn waits for its next attempt. */
  readonly retryInMs: number | null;
}

type Prepared = Extract<PreparedCall, { problem: null }>;

const over: RunOutcome = { retryInMs: null };

/**
 * One attempt to call the agent of a turn, from the claim to the turn's end or to the next attempt; or the end of what
 * an attempt of a node that is gone has left. Whatever the agent does ends in one of these.
 */
export class CalledRun {
  readonly #run: TurnRun;
  readonly #parts: TurnParts;

  constructor(run: TurnRun, parts: TurnParts) {
    this.#run = run;
    this.#parts = parts;
  }

  /** Never rejects. */
  async call(): Promise<RunOutcome> {
    return (await this.#run.guard(() => this.#call())) ?? over;
  }

  async #call(): Promise<RunOutcome> {
    const { turn } = this.#run;
    if (turn.stream !== null) return this.#recover(turn.stream);
    if (turn.stopRequested) this.#run.stop();
    const prepared = await this.#run.persist(() => prepareCall(turn, this.#parts));
    if (this.#run.cut !== null) return this.#endCut(this.#run.cut);
    if (prepared.problem !== null) return this.#endUncalled(prepared.problem);
    return this.#attempt(prepared);
  }

  /** The node that had it is gone: its stream ends with what it had saved. */
  async #recover(stream: NonNullable<RunningTurn['stream']>): Promise<RunOutcome> {
    this.#run.answer.resume(stream, await this.#run.persist(() => readSegments(this.#parts.db, stream.id)));
    const detail = 'the node that streamed it is gone';
    const termination = this.#run.turn.stopRequested ? 'stopped' : 'interrupted';
    await this.#run.end(termination, { reason: 'interrupted', detail });
    return over;
  }

  async #attempt({ endpoint, facts, body }: Prepared): Promise<RunOutcome> {
    const { webhooks, failpoints } = this.#parts;
    const { turn, trace, signal } = this.#run;
    if (!mayAttempt(turn.attempt, endpoint)) {
      const detail = 'nodes that called it are gone';
      return this.#fail('dead', { reason: 'too_many_attempts', detail });
    }
    if (failpoints.isSet('before_call')) await failpoints.reach('before_call');
    const calledMs = performance.now();
    const outcome = await webhooks.call({
      ...facts,
      id: turn.id,
      body,
      ...(trace !== null && { traceparent: trace.traceparent }),
      signal,
    });
    const latencyMs = performance.now() - calledMs;
    if (outcome.kind === 'failed') {
      return this.#afterFailure(outcome.failure, endpoint, { latencyMs, excerpt: outcome.excerpt });
    }
    const { failure, excerpt } = await this.#run.read(outcome);
    const call = { latencyMs, excerpt, httpStatus: outcome.status };
    if (failure !== null && !this.#run.answer.hasBegun) return this.#afterFailure(failure, endpoint, call);
    this.#log(call, failure === null ? 'sent' : 'failed', failure);
    await this.#run.end(terminationAfter(failure), failure);
    return over;
  }

  async #afterFailure(
    failure: CallFailure,
    endpoint: Prepared['endpoint'],
    call: Pick<DeliveryFacts, 'latencyMs' | 'excerpt'>,
  ): Promise<RunOutcome> {
    if (this.#run.cut !== null) {
      this.#log(call, 'failed', failure);
      return this.#endCut(this.#run.cut);
    }
    const { store, endpoints } = this.#parts;
    const { turn } = this.#run;
    this.#run.fellShort(failure);
    const step = decideAfterFailure(failure, turn.attempt, endpoint, Math.random());
    this.#log(call, step.kind === 'retry' ? 'retry' : 'failed', failure);
    if (failure.reason === 'gone')
      await this.#run.persist(() => endpoints.disable(turn.agentId, failure.detail));
    if (step.kind === 'end') return this.#fail(step.status, failure);
    const error = `${failure.reason}: ${failure.detail}`;
    const isWaiting = await this.#run.persist(() => store.retry(turn, step.delayMs, error));
    if (isWaiting) return { retryInMs: step.delayMs };
    // A stop was first, or another node: that decides.
    await this.#run.end('stopped', null);
    return over;
  }

  async #endCut(cut: Cut): Promise<RunOutcome> {
    if (cut === 'lost') return over;
    if (cut === 'interrupted' && !this.#run.answer.hasBegun) {
      const isGivenBack = await this.#run.persist(() => this.#parts.store.release(this.#run.turn));
      if (isGivenBack) return over;
    }
    await this.#run.end(cut, null);
    return over;
  }

  /** Where the agent or the session is gone there is nobody to tell. */
  async #endUncalled(reason: Exclude<PreparedCall['problem'], null>): Promise<RunOutcome> {
    if (reason === 'no_endpoint') return this.#fail('failed', { reason, detail: 'it was removed' });
    const isEnded = await this.#run.persist(() => this.#parts.store.end(this.#run.turn, 'failed', reason));
    if (isEnded) this.#run.note('failed');
    else await this.#run.end('stopped', null);
    return over;
  }

  async #fail(status: 'failed' | 'dead', shortfall: Shortfall): Promise<RunOutcome> {
    await this.#run.fail(status, shortfall);
    return over;
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
    logDelivery(db, this.#run.turn, delivery).catch((error: unknown) =>
      log.warn({ err: error, turn_id: this.#run.turn.id }, 'a delivery could not be logged'),
    );
  }
}
