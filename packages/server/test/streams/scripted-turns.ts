import type { MessageId, ParticipantId, SessionId, StreamId, TurnId } from '@fleetlm/protocol';
import type { AnswerSource } from '../../src/agents/answer/read-answer.ts';
import { readAnswer } from '../../src/agents/answer/read-answer.ts';
import type { TurnControl, WrittenStream } from '../../src/agents/turn-control.ts';
import { monotonicUlid } from '../../src/lib/monotonic-ulid.ts';
import { ok, type Result } from '../../src/lib/result.ts';
import type { RunningStream } from '../../src/streams/running-stream.ts';
import type { StreamRegistry } from '../../src/streams/stream-registry.ts';

const newId = monotonicUlid();

/** Turns that a test runs itself, over the streams of a real server; nothing of them is stored. */
export class ScriptedTurns implements TurnControl {
  #streams: StreamRegistry | null = null;
  /** What answers of agents ended with that wrote by themselves. */
  readonly failures: unknown[] = [];

  /** For the overrides of a test server. */
  readonly over = (streams: StreamRegistry): TurnControl => {
    this.#streams = streams;
    return this;
  };

  get registry(): StreamRegistry {
    return this.#streams!;
  }

  open(sessionId: string, agentId = 'agent:bot'): RunningStream {
    return this.registry.open({
      streamId: newId() as StreamId,
      messageId: newId() as MessageId,
      turnId: newId() as TurnId,
      agentId: agentId as ParticipantId,
      sessionId: sessionId as SessionId,
    });
  }

  async stop(sessionId: SessionId, streamId: StreamId | null): Promise<TurnId[]> {
    const stopped = this.registry
      .of(sessionId)
      .filter(({ facts }) => streamId === null || facts.streamId === streamId);
    for (const stream of stopped) {
      stream.end('stopped');
      stream.close();
    }
    return stopped.map(({ facts }) => facts.turnId);
  }

  async recheck(): Promise<void> {}

  async write(
    agentId: ParticipantId,
    sessionId: SessionId,
    source: AnswerSource,
  ): Promise<Result<WrittenStream>> {
    const stream = this.open(sessionId, agentId);
    for await (const event of readAnswer(source)) {
      if (event.kind === 'chunk') stream.push(event.chunk, 10);
      if (event.kind === 'end') this.failures.push(event.failure?.reason ?? null);
      if (stream.ending !== null) break;
    }
    const { termination } = stream.ending ?? stream.end('interrupted');
    stream.close();
    const { turnId, streamId, messageId } = stream.facts;
    return ok({ turnId, streamId, messageId, seq: null, termination });
  }
}

/** Says a text as part `id`, whose start was pushed. */
export function say(stream: RunningStream, text: string, id = '1'): void {
  stream.push({ type: 'text-delta', id, delta: text }, text.length);
}

/** Ends a stream, as after its commit. */
export function finish(stream: RunningStream): void {
  stream.push({ type: 'finish' }, 10);
  stream.close();
}
