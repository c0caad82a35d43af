import type { TurnEnd } from '../../observability/labels.ts';
import type { Trace } from '../../observability/tracing.ts';
import type { RunningStream } from '../../streams/running-stream.ts';
import type { Termination } from '../../streams/termination.ts';
import type { AnswerEvent } from '../answer/answer-event.ts';
import { type AnswerSource, readAnswer } from '../answer/read-answer.ts';
import type { CallFailure } from '../call-failure.ts';
import { persist } from './persist.ts';
import type { RunningTurn } from './running-turn.ts';
import { type AnswerResult, type Shortfall, TurnAnswer } from './turn-answer.ts';
import { turnEndOf } from './turn-end.ts';
import type { TurnParts } from './turn-parts.ts';

/** How the dispatcher cut it. */
export type Cut = 'stopped' | 'interrupted' | 'lost';

/** What was read of an answer: why it fell short, and its beginning, when it was read to its end. */
export interface AnswerReading {
  readonly failure: CallFailure | null;
  readonly excerpt: string;
}

const endedEarly: AnswerReading = { failure: null, excerpt: '' };

/**
 * One turn while it runs on this node, whoever began it: the agent is called (`CalledRun`), or writes by itself
 * (`runWritten`). It owns the answer, and what counts and traces it. The dispatcher cuts it:
 *
 * - `stop`: a stop was committed. The call is aborted, the turn ends as stopped, with what came until now.
 * - `interrupt`: this node stops, or the agent may not speak in the session any more. What was shown ends as
 *   interrupted, anything else is given back.
 * - `abandon`: the lease is lost. Nothing is stored any more.
 */
export class TurnRun {
  readonly turn: RunningTurn;
  readonly answer: TurnAnswer;
  readonly trace: Trace | null;
  readonly #parts: TurnParts;
  /** Aborts the call, or the agent's writing. */
  readonly #call = new AbortController();
  /** Nobody waits for Postgres any more. */
  readonly #end = new AbortController();
  readonly #startedMs = performance.now();
  #cut: Cut | null = null;
  /** For the trace. */
  #errorReason: string | null = null;

  constructor(turn: RunningTurn, parts: TurnParts) {
    this.turn = turn;
    this.#parts = parts;
    this.trace = parts.tracing.begin('agent turn', { isCall: true });
    this.trace?.add({ 'fleetlm.turn_id': turn.id, 'fleetlm.attempt': turn.attempt });
    this.answer = new TurnAnswer(turn, parts, { trace: this.trace, signal: this.#end.signal });
  }

  /** Null until something is shown. */
  get stream(): RunningStream | null {
    return this.answer.stream;
  }

  get cut(): Cut | null {
    return this.#cut;
  }

  /** Aborted when it is cut: nothing more of the agent is wanted. */
  get signal(): AbortSignal {
    return this.#call.signal;
  }

  stop(): void {
    this.#cutAs('stopped');
  }

  interrupt(): void {
    this.#cutAs('interrupted');
  }

  abandon(): void {
    this.#cut = 'lost';
    this.answer.abandon();
    this.#call.abort();
    this.#end.abort(new Error('the turn is not ours any more'));
  }

  /**
   * Does all of its work, and ends its trace. Never rejects: null after a fault of ours; then the turn's lease runs
   * out, and whoever takes it over ends or calls it again.
   */
  async guard<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      this.#lose(error);
      return null;
    } finally {
      this.trace?.end(this.#errorReason);
    }
  }

  /** Reads an answer to its end, or to where nothing more is wanted. */
  async read(source: AnswerSource): Promise<AnswerReading> {
    let droppedLines = 0;
    const onDropped = () => void droppedLines++;
    try {
      return await this.#take(readAnswer(source, onDropped));
    } finally {
      this.#tellDropped(droppedLines);
    }
  }

  /** Why the agent, or its answer, came to less than it should have. */
  fellShort({ reason }: CallFailure): void {
    this.#errorReason = reason;
  }

  /** Ends the turn as the agent did, or as it was cut. */
  async end(termination: Termination, shortfall: Shortfall | null): Promise<AnswerResult> {
    const result = await this.answer.end(termination, shortfall);
    this.note(result && turnEndOf(result.termination));
    return result;
  }

  /** Ends a turn that came to nothing. */
  async fail(status: 'failed' | 'dead', shortfall: Shortfall): Promise<void> {
    this.note(await this.answer.fail(status, shortfall));
  }

  /** The one place that counts ends; null: the turn was lost, and ends elsewhere. */
  note(end: TurnEnd | null): void {
    if (end !== null) this.#parts.metrics.turnEnded(end, this.#ageMs);
  }

  persist<T>(work: () => Promise<T>): Promise<T> {
    return persist(work, this.#end.signal, this.#parts.log);
  }

  #cutAs(how: 'stopped' | 'interrupted'): void {
    if (this.#cut !== null) return;
    this.#cut = how;
    this.answer.cut(how);
    this.#call.abort();
  }

  async #take(events: AsyncIterable<AnswerEvent>): Promise<AnswerReading> {
    const { failpoints, metrics } = this.#parts;
    let isFirst = true;
    for await (const event of events) {
      if (event.kind === 'end') {
        if (event.failure !== null) this.fellShort(event.failure);
        return event;
      }
      if (isFirst) metrics.firstChunkCame(this.#ageMs);
      isFirst = false;
      const goesOn = this.answer.take(event);
      if (!(typeof goesOn === 'boolean' ? goesOn : await goesOn)) return endedEarly;
      if (failpoints.isSet('mid_stream')) await failpoints.reach('mid_stream');
    }
    return endedEarly;
  }

  /** They are dropped so that one bad line ends no answer; whoever looks for a lost word finds them here. */
  #tellDropped(lines: number): void {
    if (lines === 0) return;
    this.#parts.log.debug(
      { turn_id: this.turn.id, dropped_lines: lines },
      'lines of an answer were no chunks',
    );
  }

  get #ageMs(): number {
    return this.turn.ageMs + performance.now() - this.#startedMs;
  }

  #lose(error: unknown): void {
    if (this.#cut === 'lost') return;
    this.#parts.log.error({ err: error, turn_id: this.turn.id }, 'a turn failed');
    this.abandon();
  }
}
