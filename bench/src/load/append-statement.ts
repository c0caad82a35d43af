import type { ConnectionTarget } from 'fleetlm';
import { StandaloneAppend, type StandaloneDraft } from 'fleetlm/standalone-append';
import { ClosedLoop, type ClosedLoopResult } from './closed-loop.ts';
import type { Load } from './load.ts';
import { sampleText } from './sender.ts';

export interface AppendStatementOrder {
  readonly target: ConnectionTarget;
  readonly sessions: readonly { readonly id: string; readonly senderId: string }[];
  /** Connections, each with one batch on its way; a session has its connection, as with the server. */
  readonly lanes: number;
}

export interface AppendStatementRun {
  readonly seconds: number;
  readonly batchRows: number;
}

/** The server's append transactions straight to Postgres, back to back: as if all the rest of it were free. */
export async function openAppendStatement({
  target,
  sessions,
  lanes,
}: AppendStatementOrder): Promise<Load<AppendStatementRun, ClosedLoopResult>> {
  const writers = await Promise.all(Array.from({ length: lanes }, () => StandaloneAppend.connect(target)));
  const shares = writers.map((_, lane) => sessions.filter((_, index) => index % lanes === lane));
  return {
    async run({ seconds, batchRows }) {
      const loop = new ClosedLoop((lane, onEnd) => {
        const drafts = makeDrafts(shares[lane]!, batchRows);
        writers[lane]!.append(drafts).then(
          () => onEnd(),
          (error: Error) => onEnd(error.message),
        );
      });
      const result = await loop.run({ slots: lanes, inFlight: 1, seconds });
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
