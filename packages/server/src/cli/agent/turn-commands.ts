import {
  maxPageSize,
  type ParticipantId,
  participantsReplySchema,
  type Turn,
  turnReplySchema,
  turnsReplySchema,
} from '@fleetlm/protocol';
import { toExcerpt } from '../../agents/webhook/response-excerpt.ts';
import type { AgentCommand } from './agent-command-line.ts';
import type { Output } from './run-agent-command.ts';
import type { ServerApi } from './server-api.ts';

/** What fits a screen; who wants more asks the API, page by page. */
const turnsOfAgent = 50;

/** `fleetlm agent turns` */
export async function runTurns(
  { agentId, status, isJson }: AgentCommand & { kind: 'turns' },
  api: ServerApi,
  output: Output,
): Promise<void> {
  const agentIds = agentId === undefined ? await listAgents(api) : [agentId];
  const query = new URLSearchParams({ limit: String(turnsOfAgent), ...(status && { status }) });
  const turns: Turn[] = [];
  let hasMore = false;
  for (const id of agentIds) {
    const path = `/api/agents/${encodeURIComponent(id)}/turns?${query}`;
    const page = await api.call('GET', path, turnsReplySchema);
    turns.push(...page.turns);
    hasMore ||= page.next_cursor !== null;
  }
  const more = hasMore ? `\nThere are more: these are the newest ${turnsOfAgent} of each agent.` : '';
  output.write(isJson ? `${JSON.stringify({ turns }, null, 2)}\n` : `${renderTurns(turns)}${more}\n`);
}

/** `fleetlm agent redeliver` */
export async function runRedeliver(
  { agentId, turnId }: AgentCommand & { kind: 'redeliver' },
  api: ServerApi,
  output: Output,
): Promise<void> {
  const path = `/api/agents/${encodeURIComponent(agentId)}/turns/${encodeURIComponent(turnId)}/redeliver`;
  const { turn } = await api.call('POST', path, turnReplySchema);
  output.write(`turn ${turn.id} is pending: messages ${rangeOf(turn)} of session ${turn.session_id}\n`);
}

async function listAgents(api: ServerApi): Promise<ParticipantId[]> {
  const ids: ParticipantId[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const after: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const path = `/api/participants?kind=agent&limit=${maxPageSize}${after}`;
    const page = await api.call('GET', path, participantsReplySchema);
    ids.push(...page.participants.map(({ id }) => id));
    cursor = page.next_cursor;
  }
  return ids;
}

function renderTurns(turns: readonly Turn[]): string {
  if (turns.length === 0) return 'no turns';
  const rows = turns.map((turn) => [
    turn.id,
    turn.status,
    turn.agent_id,
    turn.session_id,
    rangeOf(turn),
    String(turn.attempt),
    toExcerpt(Buffer.from(turn.error ?? '')),
  ]);
  const table = [['TURN', 'STATUS', 'AGENT', 'SESSION', 'MESSAGES', 'ATTEMPT', 'ERROR'], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function rangeOf({ from_seq: from, to_seq: to }: Turn): string {
  return from === to ? String(from) : `${from}–${to}`;
}
