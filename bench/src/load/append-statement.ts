import type { ConnectionTarget } from 'fleetlm';
import { StandaloneAppend, type StandaloneDraft } from 'fleetlm/standalone-append';
import { type ClosedLoopResult, runClosedLoop } from './closed-loop.ts';
import type { Load, TimedRun } from './load.ts';
import { sampleText } from './sample-text.ts';

export interface AppendStatementOrder {
  readonly target: ConnectionTarget;
  readonly sessions: readonly { readonly id: string; readonly senderId: string }[];
  /** Connections, each with one batch on its way; a session has its connection, as with the server. */
  readonly lanes: number;
}

export interface AppendStatementRun extends TimedRun {
  readonly batchRows: number;
}

/**
 * The server's append transactions straight to Postgres, back to back: as if all the rest of it were free.
 */
export async function openAppendStatement({
  target,
  sessions,
  lanes,
}: AppendStatementOrder): Promise<Load<AppendStatementRun, ClosedLoopResult>> {
  const writers = await Promise.all(Array.from({ length: lanes }, () => StandaloneAppend.connect(target)));
  const shares = writers.map((_, lane) => sessions.filter((_, index) => index % lanes === lane));
  return {
    async run({ seconds, batchRows }) {
      const result = await runClosedLoop({ slots: lanes, inFlight: 1, seconds }, (lane, onEnd) => {
        writers[lane]!.append(makeDrafts(shares[lane]!, batchRows)).then(
          () => onEnd(),
          (error: Error) => onEnd(error.message),
        );
      });
      return { ...result, perSecond: result.perSecond * batchRows };
    },
  };
}

function makeDrafts(sessions: AppendStatementOrder['sessions'], count: number): StandaloneDraft[] {
  return Array.from({ length: count }, (_, n) => {
    const { id, senderId } = sessions[n % sessions.length]!;
    return { sessionId: id, senderId, contentJson: `{"text":"${sampleText}","n":"${n}"}` };
  });
}
