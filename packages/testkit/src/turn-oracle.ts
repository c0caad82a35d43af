import type { SeenMessage } from './append-oracle.ts';
import type { SaidTexts } from './fickle-agents.ts';
import type { Shown } from './follower.ts';
import { isTerminal } from './is-terminal.ts';

/** A turn as Postgres has it, as far as the oracle cares. */
export interface SeenTurn {
  readonly id: string;
  readonly agent_id: string;
  readonly session_id: string;
  readonly from_seq: number;
  readonly to_seq: number;
  readonly status: string;
  readonly stream_id: string | null;
  readonly message_id: string | null;
  readonly reply_seq: number | null;
}

/** What is known of one session when all is at rest. */
export interface SessionTruth {
  /** People's messages that were acknowledged, and whom each is to wake. */
  readonly wanted: readonly WakingMessage[];
  readonly log: readonly SeenMessage[];
  readonly turns: readonly SeenTurn[];
  /** Turns that an operator made: they cover again what others covered. */
  readonly redelivered: ReadonlySet<string>;
  /** By turn: what its agent was about to say, in each attempt. */
  readonly said: ReadonlyMap<string, readonly SaidTexts[]>;
}

export interface WakingMessage {
  readonly clientId: string;
  readonly seq: number;
  readonly agentIds: readonly string[];
}

/**
 * Judges a session in which turns were run, killed and taken over: every message that was to wake an agent is covered by
 * one turn, every turn has come to its end, and the log holds what the turns have answered, once, and nothing else.
 */
export function judgeTurns(truth: SessionTruth): string[] {
  return [
    ...findHoles(truth),
    ...findUncovered(truth),
    ...findForeign(truth),
    ...truth.turns.flatMap(judgeEach),
  ];

  function judgeEach(turn: SeenTurn): string[] {
    return judgeTurn(turn, truth).map(
      (problem) => `turn ${turn.id} (${turn.agent_id}, ${turn.status}): ${problem}`,
    );
  }
}

/** What nobody may be shown: chunks after the end of their stream, or after its message; indexes with a gap. */
export function judgeTimeline(who: string, timeline: readonly Shown[]): string[] {
  const ended = new Set<string>();
  const nextIndexes = new Map<string, number>();
  return timeline.flatMap((shown) => {
    if (shown.kind === 'message') {
      ended.add(shown.message.id);
      return [];
    }
    const { message_id: id } = streamOf(shown)!;
    const nextIndex = nextIndexes.get(id) ?? 0;
    const isEnd = shown.kind === 'chunk' && isTerminal(shown.chunk.chunk);
    nextIndexes.set(id, shown.kind === 'stream' ? shown.stream.next_index : shown.chunk.index + 1);
    const what = JSON.stringify(shown);
    if (ended.has(id)) return [`${who} was shown ${what} after the end`];
    if (isEnd) ended.add(id);
    // Whoever ends a dead node's stream may not know its last chunks: a terminal one counts whatever its index.
    const hasGap = shown.kind === 'chunk' && !isEnd && shown.chunk.index !== nextIndex;
    return hasGap ? [`${who} was shown ${what} instead of ${nextIndex}`] : [];
  });
}

/** What somebody was shown of streams of which no turn knows. */
export function findUnknownStreams(
  who: string,
  timeline: readonly Shown[],
  turns: readonly SeenTurn[],
): string[] {
  const known = new Set(turns.map((turn) => turn.stream_id));
  const shown = new Set(timeline.flatMap((each) => streamOf(each)?.stream_id ?? []));
  return [...shown].filter((id) => !known.has(id)).map((id) => `${who} was shown ${id}, which is no turn's`);
}

function streamOf(shown: Shown): { readonly stream_id: string; readonly message_id: string } | null {
  if (shown.kind === 'message') return null;
  return shown.kind === 'stream' ? shown.stream : shown.chunk;
}

function findHoles({ log }: SessionTruth): string[] {
  const keys = log.map((message) => `${message.sender_id} ${message.client_id}`);
  const repeated = keys.filter((key, index) => keys.indexOf(key) !== index);
  return [
    ...log.flatMap(({ seq }, index) =>
      seq === index + 1 ? [] : [`seq ${seq} stands where ${index + 1} belongs`],
    ),
    ...repeated.map((key) => `${key} is there again`),
  ];
}

function findUncovered({ wanted, log, turns, redelivered }: SessionTruth): string[] {
  return wanted.flatMap(({ clientId, seq, agentIds }) => {
    const isThere = log[seq - 1]?.client_id === clientId;
    if (!isThere) return [`${clientId} was acknowledged at seq ${seq}, and is not there`];
    return agentIds.flatMap((agentId) => {
      const covering = turns.filter(
        (turn) =>
          turn.agent_id === agentId &&
          turn.from_seq <= seq &&
          turn.to_seq >= seq &&
          !redelivered.has(turn.id),
      );
      return covering.length === 1 ? [] : [`seq ${seq} is in ${covering.length} turns of ${agentId}`];
    });
  });
}

function findForeign({ wanted, log, turns }: SessionTruth): string[] {
  const sent = new Set(wanted.map(({ clientId }) => clientId));
  const ids = new Set(turns.map(({ id }) => id));
  return log.flatMap(({ seq, client_id: clientId = '' }) => {
    const isOurs = sent.has(clientId) || ids.has(clientId.split(':')[1] ?? '');
    return isOurs ? [] : [`seq ${seq} (${clientId}) is nobody's`];
  });
}

function judgeTurn(turn: SeenTurn, { log, said }: SessionTruth): string[] {
  const replies = log.filter(({ client_id }) => client_id?.startsWith(`turn:${turn.id}:`));
  const attempts = said.get(turn.id) ?? [];
  switch (turn.status) {
    case 'completed':
      return judgeCompleted(turn, replies, attempts);
    case 'failed':
    case 'dead':
      return judgeFailed(turn, replies, attempts);
    default:
      return ['has not ended'];
  }
}

/** Its messages are there, each as some attempt had it: an attempt that was killed may have stored the first ones. */
function judgeCompleted(
  turn: SeenTurn,
  replies: readonly SeenMessage[],
  attempts: readonly SaidTexts[],
): string[] {
  const count = attempts[0]?.length ?? 0;
  if (replies.length !== count) return [`has ${replies.length} messages instead of ${count}`];
  const wrong = replies.flatMap((reply, index) => {
    const isInPlace = reply.client_id === `turn:${turn.id}:${index}` && reply.sender_id === turn.agent_id;
    const isSaid = attempts.some((texts) => texts[index] === textOf(reply));
    return isInPlace && isSaid ? [] : [`its message ${index} is ${JSON.stringify(reply)}`];
  });
  const last = replies.at(-1)?.seq ?? null;
  if (turn.reply_seq !== last) wrong.push(`ends with seq ${turn.reply_seq} instead of ${last}`);
  if (turn.message_id === null) return wrong;
  const [reply] = replies;
  const isStream = reply?.id === turn.message_id && terminationOf(reply) === 'finish';
  return isStream ? wrong : [...wrong, `its stream has become ${JSON.stringify(reply)}`];
}

/** People see the part that was shown, once, or are told that nothing came. */
function judgeFailed(
  turn: SeenTurn,
  replies: readonly SeenMessage[],
  attempts: readonly SaidTexts[],
): string[] {
  const notices = replies.filter(({ kind }) => kind === 'system');
  const partial = replies.find(({ id }) => id === turn.message_id);
  if (notices.length + (partial === undefined ? 0 : 1) !== 1)
    return [`is explained by ${JSON.stringify(replies)}`];
  if (partial === undefined) return [];
  const isPrefix = attempts.some(([text]) => text?.startsWith(textOf(partial)));
  const isRight = isPrefix && terminationOf(partial) === 'interrupted';
  return isRight ? [] : [`was cut to ${JSON.stringify(partial)}`];
}

function terminationOf({ metadata }: SeenMessage): unknown {
  return (metadata as { readonly termination?: unknown }).termination;
}

function textOf({ content }: SeenMessage): string {
  const { text, parts } = content as {
    readonly text?: string;
    readonly parts?: readonly { text?: string }[];
  };
  return text ?? (parts ?? []).map((part) => part.text ?? '').join('');
}
