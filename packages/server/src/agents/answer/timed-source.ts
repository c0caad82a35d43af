import { CallFailed, type CallFailure, callFailure } from '../call-failure.ts';
import { CallClock } from '../webhook/call-clock.ts';
import type { AnswerSource } from './read-answer.ts';

export interface SourceTimes {
  /** Between bytes of the body. */
  readonly idleMs: number;
  readonly maxDurationMs: number;
}

/**
 * A source whose body fails when nothing comes for too long, or when it takes too long as a whole: of an agent that
 * calls us. (Of one that we call the call itself keeps the time.)
 */
export function timedSource(source: AnswerSource, times: SourceTimes): AnswerSource {
  return { ...source, body: readInTime(source, times), close: () => source.close() };
}

async function* readInTime(
  source: AnswerSource,
  { idleMs, maxDurationMs }: SourceTimes,
): AsyncGenerator<Uint8Array> {
  let late: CallFailure | null = null;
  const clock = new CallClock(maxDurationMs, (wait, ms) => {
    late ??= callFailure(wait, `nothing came, or not all, within ${ms} ms`);
    source.close();
  });
  const throwIfLate = () => {
    if (late !== null) throw new CallFailed(late);
  };
  try {
    clock.await('idle_timeout', idleMs);
    for await (const bytes of source.body) {
      throwIfLate();
      clock.hold();
      yield bytes;
      clock.restart();
    }
    throwIfLate();
  } finally {
    clock.stop();
  }
}
