import {
  endpointDefaults,
  type MessageId,
  type ParticipantId,
  type SessionId,
  type StreamId,
  type TurnId,
  wireError,
} from '@fleetlm/protocol';
import { monotonicUlid } from '../lib/monotonic-ulid.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { AnswerSource } from './answer/read-answer.ts';
import { timedSource } from './answer/timed-source.ts';
import type { WrittenStream } from './turn-control.ts';
import { type SlotLimits, TurnSlots } from './turn-slots.ts';
import type { AnswerResult } from './turns/turn-answer.ts';
import type { TurnParts } from './turns/turn-parts.ts';
import { TurnRun } from './turns/turn-run.ts';
import { runWritten } from './turns/written-run.ts';

export interface WrittenStreamsOptions {
  readonly parts: TurnParts;
  readonly limits: SlotLimits;
  /** Keeps a run among those of this node, until it is over. */
  readonly keep: (run: TurnRun, work: Promise<AnswerResult>) => Promise<AnswerResult>;
  /** Cuts a run whose agent may not speak in its session any more. */
  readonly recheck: (run: TurnRun) => void;
}

const newId = monotonicUlid();

const tooMany = fail(
  wireError('overloaded', 'The agent, or this node, writes as many streams as it may: wait for one to end'),
);

/**
 * Streams that agents write by themselves, each as a running turn that nobody has asked for. They have slots of their
 * own: whoever holds many open keeps no agent from being called. Their times are those of the agent's endpoint.
 */
export class WrittenStreams {
  readonly #options: WrittenStreamsOptions;
  readonly #slots: TurnSlots;

  constructor(options: WrittenStreamsOptions) {
    this.#options = options;
    this.#slots = new TurnSlots(options.limits);
  }

  /** Writes one, to its end. */
  async write(
    agentId: ParticipantId,
    sessionId: SessionId,
    source: AnswerSource,
  ): Promise<Result<WrittenStream>> {
    if (this.#slots.freeOf(agentId) <= 0) return tooMany;
    this.#slots.take(agentId);
    try {
      return await this.#write(agentId, sessionId, source);
    } finally {
      this.#slots.release(agentId);
    }
  }

  async #write(
    agentId: ParticipantId,
    sessionId: SessionId,
    source: AnswerSource,
  ): Promise<Result<WrittenStream>> {
    const { parts, keep, recheck } = this.#options;
    const turnId = newId() as TurnId;
    const streamId = newId() as StreamId;
    const messageId = newId() as MessageId;
    const turn = await parts.store.openWritten({ turnId, agentId, sessionId, streamId, messageId });
    if (turn === null) return fail(wireError('turn_running'));
    const run = new TurnRun(turn, parts);
    const written = keep(run, this.#run(run, source));
    // A removal since the agent was let in has looked for its run before there was one.
    recheck(run);
    const result = await written;
    if (result === null) return fail(wireError('internal_error'));
    return ok({ turnId, streamId, messageId, ...result });
  }

  async #run(run: TurnRun, source: AnswerSource): Promise<AnswerResult> {
    const { store, endpoints } = this.#options.parts;
    const { id, agentId } = run.turn;
    const [state, endpoint] = await Promise.all([store.state(id), endpoints.read(agentId)]);
    // A stop that came between the commit of the turn and its answer found nothing here to stop.
    if (state?.stopRequested) run.stop();
    const times = {
      idleMs: endpoint?.idleTimeoutMs ?? endpointDefaults.idle_timeout_ms,
      maxDurationMs: endpoint?.maxDurationMs ?? endpointDefaults.max_duration_ms,
    };
    return runWritten(run, timedSource(source, times));
  }
}
