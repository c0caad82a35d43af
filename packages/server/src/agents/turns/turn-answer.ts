import type { DraftInput, MessageId, Seq, StreamId } from '@fleetlm/protocol';
import type { Draft } from '../../conversation/append/draft.ts';
import { monotonicUlid } from '../../lib/monotonic-ulid.ts';
import type { TurnEnd } from '../../observability/labels.ts';
import type { Trace } from '../../observability/tracing.ts';
import type { Chunk } from '../../streams/chunk.ts';
import type { RunningStream } from '../../streams/running-stream.ts';
import type { StreamEnding } from '../../streams/stream-assembler.ts';
import type { Termination } from '../../streams/termination.ts';
import type { AnswerContent } from '../answer/answer-event.ts';
import { type Conclusion, type ConclusionOutcome, concludeTurn } from './conclude-turn.ts';
import { persist } from './persist.ts';
import type { RunningTurn } from './running-turn.ts';
import { messageDrafts, noticeDraft, streamDraft } from './turn-drafts.ts';
import { turnEndOf } from './turn-end.ts';
import type { TurnParts } from './turn-parts.ts';

/** Why an answer fell short, for operators; people are told the reason only. */
export interface Shortfall {
  readonly reason: string;
  readonly detail: string;
}

/** How a turn ended; null: it is not ours any more. */
export type AnswerResult = { readonly termination: Termination; readonly seq: Seq | null } | null;

const newId = monotonicUlid();

/**
 * What an agent answers in one turn. It shows a stream as it comes, once the stream's ids are committed, or keeps
 * whole messages; and it ends the turn, once, with what came, in one transaction, before the end is shown.
 */
export class TurnAnswer {
  readonly #turn: RunningTurn;
  readonly #parts: TurnParts;
  readonly #trace: Trace | null;
  /** Aborted: nobody waits for the end any more. */
  readonly #signal: AbortSignal;
  #stream: RunningStream | null = null;
  #messages: readonly DraftInput[] = [];
  /** What comes from the agent is dropped from now on. */
  #cut: 'stopped' | 'interrupted' | null = null;
  /** A fault of ours: the answer cannot be shown any more. */
  #isLost = false;

  constructor(
    turn: RunningTurn,
    parts: TurnParts,
    { trace, signal }: { readonly trace: Trace | null; readonly signal: AbortSignal },
  ) {
    this.#turn = turn;
    this.#parts = parts;
    this.#trace = trace;
    this.#signal = signal;
  }

  get stream(): RunningStream | null {
    return this.#stream;
  }

  /** Whether somebody may have seen something, or there is something to be stored. */
  get hasBegun(): boolean {
    return this.#stream !== null || this.#messages.length > 0;
  }

  /** Shows a stream whose ids are committed, with what is known of it. */
  resume(
    { id, messageId }: { readonly id: StreamId; readonly messageId: MessageId },
    chunks: readonly Chunk[],
  ): void {
    const { id: turnId, agentId, sessionId } = this.#turn;
    this.#stream = this.#parts.streams.open({ streamId: id, messageId, turnId, agentId, sessionId }, chunks);
  }

  /** Takes what the agent says; false when nothing more is wanted. */
  take(event: AnswerContent): boolean | Promise<boolean> {
    if (this.#cut !== null || this.#isLost) return false;
    if (event.kind === 'messages') {
      this.#messages = event.messages;
      return true;
    }
    return this.#stream === null ? this.#open(event.chunk) : this.#push(this.#stream, event.chunk);
  }

  /** Lets nothing of the agent follow. */
  cut(how: 'stopped' | 'interrupted'): void {
    this.#cut ??= how;
    this.#stream?.end(this.#cut);
  }

  /** Drops everything: the turn is another node's, which ends its stream. */
  abandon(): void {
    this.#isLost = true;
    this.#stream?.end('interrupted');
    this.#stream?.close();
  }

  /** Ends the turn as the agent did, or as it was cut. */
  async end(termination: Termination, shortfall: Shortfall | null): Promise<AnswerResult> {
    if (this.#isLost) return null;
    let wanted: Termination = this.#cut ?? termination;
    for (;;) {
      const ending = this.#stream?.end(wanted, shownText(shortfall)) ?? null;
      const ended = ending?.termination ?? wanted;
      const outcome = await this.#conclude(this.#conclusionOf(ended, ending, shortfall));
      switch (outcome.kind) {
        case 'ended':
          return { termination: ended, seq: outcome.seq };
        case 'stop_requested':
          wanted = 'stopped';
          break;
        case 'refused': {
          const refused = ended === 'stopped' ? ended : 'error';
          this.#stream?.close(refused);
          return { termination: refused, seq: null };
        }
        case 'lost':
          this.#stream?.close('interrupted');
          return null;
      }
    }
  }

  /** Ends a turn that came to nothing: people are told by a message of the system. Says how it really ended. */
  async fail(status: 'failed' | 'dead', shortfall: Shortfall): Promise<TurnEnd | null> {
    const error = operatorsText(shortfall);
    const drafts = [noticeDraft(this.#replyFacts(status, error), shortfall.reason)];
    const outcome = await this.#conclude({ status, error, drafts });
    switch (outcome.kind) {
      case 'ended':
        return status;
      case 'stop_requested': {
        const result = await this.end('stopped', null);
        return result && turnEndOf(result.termination);
      }
      case 'refused':
        return 'failed';
      case 'lost':
        return null;
    }
  }

  async #open(chunk: Chunk): Promise<boolean> {
    const { store, log } = this.#parts;
    const stream = { id: newId() as StreamId, messageId: newId() as MessageId };
    const isOurs = await persist(
      () => store.openStream(this.#turn, stream.id, stream.messageId),
      this.#signal,
      log,
    );
    // A stop that was committed first is told to us next; a lost turn by its lease.
    if (!isOurs || this.#isLost) return false;
    this.resume(stream, []);
    if (this.#cut !== null) return false;
    return this.#push(this.#stream!, chunk);
  }

  #push(stream: RunningStream, chunk: Chunk): boolean {
    stream.push(chunk);
    return stream.ending === null;
  }

  #conclusionOf(
    termination: Termination,
    ending: StreamEnding | null,
    shortfall: Shortfall | null,
  ): Conclusion {
    const status = turnEndOf(termination);
    const isOwnError = termination === 'error' && ending?.problem === null && shortfall === null;
    const error = isOwnError ? 'agent_error' : (ending?.problem ?? operatorsText(shortfall));
    return { status, error, drafts: this.#draftsOf({ status, error }, ending) };
  }

  #draftsOf({ status, error }: Omit<Conclusion, 'drafts'>, ending: StreamEnding | null): Draft[] {
    const facts = this.#replyFacts(status, error);
    if (ending?.hasContent) return [streamDraft(facts, this.#stream!.facts.messageId, ending)];
    if (status === 'completed') return messageDrafts(facts, this.#messages);
    return status === 'failed' && !this.#turn.isWritten
      ? [noticeDraft(facts, error?.split(':')[0] ?? 'error')]
      : [];
  }

  #replyFacts(endsAs: TurnEnd, error: string | null) {
    return { turn: this.#turn, endsAs, error, trace: this.#trace };
  }

  async #conclude(conclusion: Conclusion): Promise<ConclusionOutcome> {
    const { appender, store, failpoints, log } = this.#parts;
    if (failpoints.isSet('before_reply_append')) await failpoints.reach('before_reply_append');
    return concludeTurn(this.#turn, conclusion, {
      appender,
      store,
      log,
      signal: this.#signal,
      onEnded: () => this.#stream?.close(),
    });
  }
}

function shownText(shortfall: Shortfall | null): string | undefined {
  return shortfall === null ? undefined : `The answer failed (${shortfall.reason})`;
}

function operatorsText(shortfall: Shortfall | null): string | null {
  return shortfall === null ? null : `${shortfall.reason}: ${shortfall.detail}`;
}
