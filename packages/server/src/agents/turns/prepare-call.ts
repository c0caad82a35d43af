import { readHistory } from '../../conversation/history.ts';
import { readSession } from '../../conversation/sessions.ts';
import type { Db } from '../../storage/database.ts';
import { type CallFacts, callFacts, type Endpoint } from '../endpoints/endpoint.ts';
import { encodeCallBody, maxMessagesBytes } from './call-body.ts';
import type { RunningTurn } from './running-turn.ts';
import type { TurnParts } from './turn-parts.ts';

/** What an attempt is made with; `problem`: why there can be none. */
export type PreparedCall =
  | {
      readonly problem: null;
      readonly endpoint: Endpoint;
      readonly facts: CallFacts;
      readonly body: Uint8Array;
    }
  | { readonly problem: 'no_endpoint' | 'not_a_member' | 'session_closed' };

/** A page ends at 256 KiB anyway. */
const maxRowsPerPage = 500;

/** Reads what an agent is called with. Somebody who is no member any more is told nothing. */
export async function prepareCall(turn: RunningTurn, { db, endpoints }: TurnParts): Promise<PreparedCall> {
  const [endpoint, view] = await Promise.all([
    endpoints.read(turn.agentId),
    readSession(db, turn.sessionId, turn.agentId),
  ]);
  if (endpoint === null) return { problem: 'no_endpoint' };
  if (view === null || !view.viewerIsMember) return { problem: 'not_a_member' };
  if (view.session.status !== 'open') return { problem: 'session_closed' };
  const body = encodeCallBody({
    turnId: turn.id,
    attempt: turn.attempt,
    agentId: turn.agentId,
    sessionJson: JSON.stringify(view.session),
    messagesJson: await readMessages(db, turn, endpoint),
    newFromSeq: turn.fromSeq,
    timestamp: new Date().toISOString(),
  });
  return { problem: null, endpoint, facts: callFacts(endpoint, Date.now()), body };
}

/** The session's messages up to the turn's last one, ascending, as many as the endpoint wants and a body holds. */
async function readMessages(
  db: Db,
  { sessionId, toSeq }: RunningTurn,
  { historyMode, historyLimit }: Endpoint,
): Promise<string[]> {
  const wanted = { last: 1, tail: historyLimit, entire: Number.MAX_SAFE_INTEGER }[historyMode];
  const messages: string[] = [];
  let bytes = 0;
  let beforeSeq = toSeq + 1;
  while (beforeSeq > 1 && messages.length < wanted && bytes < maxMessagesBytes) {
    const limit = Math.min(wanted - messages.length, maxRowsPerPage);
    const page = await readHistory(db, sessionId, { beforeSeq, limit });
    if (page.length === 0) break;
    beforeSeq = page[0]!.seq;
    for (const message of page) bytes += message.json.length;
    messages.unshift(...page.map((message) => message.json));
  }
  return messages;
}
