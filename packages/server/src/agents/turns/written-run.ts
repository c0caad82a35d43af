import type { AnswerSource } from '../answer/read-answer.ts';
import type { AnswerResult } from './turn-answer.ts';
import { terminationAfter } from './turn-end.ts';
import type { TurnRun } from './turn-run.ts';

/** Takes a stream that the agent writes by itself, to its end. Never rejects; null: the turn was lost. */
export async function runWritten(run: TurnRun, source: AnswerSource): Promise<AnswerResult> {
  const close = () => source.close();
  run.signal.addEventListener('abort', close, { once: true });
  if (run.cut !== null) close();
  return run.guard(async () => {
    run.answer.resume(run.turn.stream!, []);
    const { failure } = await run.read(source);
    return run.end(terminationAfter(failure), failure);
  });
}
