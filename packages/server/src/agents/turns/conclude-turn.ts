import { setTimeout as sleep } from 'node:timers/promises';
import type { Seq } from '@fleetlm/protocol';
import type { Appender } from '../../conversation/append/appender.ts';
import type { Draft, Outcome } from '../../conversation/append/draft.ts';
import type { Log } from '../../lib/log.ts';
import type { TurnEnd } from '../../observability/labels.ts';
import { persist, persistDelayMs } from './persist.ts';
import type { RunningTurn } from './running-turn.ts';
import type { TurnStore } from './turn-store.ts';

/** How a turn is to end: with messages, the last of which ends it, or without any. */
export interface Conclusion {
  readonly status: TurnEnd;
  readonly error: string | null;
  readonly drafts: readonly Draft[];
}

/**
 * What became of it:
 * - `ended`: committed; `seq` is that of its last message.
 * - `stop_requested`: a stop was committed first: the turn can end only as stopped.
 * - `refused`: the session takes no message of the agent any more; the turn has failed, or is stopped if it was to be;
 *   nothing was stored.
 * - `lost`: it is another node's, or over.
 */
export type ConclusionOutcome =
  | { readonly kind: 'ended'; readonly seq: Seq | null }
  | { readonly kind: 'stop_requested' | 'refused' | 'lost' };

export interface ConcludeOptions {
  readonly appender: Appender;
  readonly store: TurnStore;
  readonly log: Log;
  /** Nobody waits any more. */
  readonly signal: AbortSignal;
  /** Called once the end is committed, before anybody hears of its message. */
  readonly onEnded: () => void;
}

/** Ends a turn, as often as it takes until it is known what became of it. */
export async function concludeTurn(
  turn: RunningTurn,
  conclusion: Conclusion,
  options: ConcludeOptions,
): Promise<ConclusionOutcome> {
  const { drafts, status } = conclusion;
  const last = drafts.at(-1);
  if (last === undefined) return endWithout(turn, conclusion, 'ended', options);
  for (let attempt = 0; ; attempt++) {
    const outcome = await appendUpTo(last, drafts.slice(0, -1), options);
    if (isStored(outcome)) return { kind: 'ended', seq: 'message' in outcome ? outcome.message.seq : null };
    if (outcome.kind === 'turn_ended') return judgeLoss(turn, options);
    if (isRefused(outcome)) {
      const refusal = { status: status === 'stopped' ? status : ('failed' as const), error: outcome.kind };
      return endWithout(turn, refusal, 'refused', options);
    }
    const { log, signal } = options;
    log.warn(
      { turn_id: turn.id, outcome: outcome.kind },
      'the end of a turn is not stored yet, trying again',
    );
    await sleep(persistDelayMs(attempt), undefined, { signal });
  }
}

/** Ends it without a message; whoever is refused is shown another ending than the one that was meant. */
async function endWithout(
  turn: RunningTurn,
  { status, error }: Omit<Conclusion, 'drafts'>,
  kind: 'ended' | 'refused',
  options: ConcludeOptions,
): Promise<ConclusionOutcome> {
  const { store, signal, log } = options;
  const isEnded = await persist(() => store.end(turn, status, error), signal, log);
  if (!isEnded) return judgeLoss(turn, options);
  if (kind === 'refused') return { kind };
  options.onEnded();
  return { kind, seq: null };
}

/** The last one only when all before it are stored: it ends the turn. Otherwise the first outcome that is none. */
async function appendUpTo(
  last: Draft,
  before: readonly Draft[],
  { appender, onEnded }: ConcludeOptions,
): Promise<Outcome> {
  const outcomes = await Promise.all(before.map((draft) => append(appender, draft, () => {})));
  const missing = outcomes.find((outcome) => !isStored(outcome));
  return missing ?? append(appender, last, onEnded);
}

function append(appender: Appender, draft: Draft, onStored: () => void): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  appender.append(draft, (outcome) => {
    if (isStored(outcome)) onStored();
    resolve(outcome);
  });
  return promise;
}

/** Under the turn's key another text can stand only if the turn was answered before: that answer counts. */
function isStored({ kind }: Outcome): boolean {
  return kind === 'stored' || kind === 'duplicate' || kind === 'conflict';
}

function isRefused({ kind }: Outcome): boolean {
  return (
    kind === 'session_closed' || kind === 'session_not_found' || kind === 'not_a_member' || kind === 'invalid'
  );
}

/** Nobody else ends a turn in our epoch: one that has ended there did so by an attempt whose answer was lost. */
async function judgeLoss(turn: RunningTurn, options: ConcludeOptions): Promise<ConclusionOutcome> {
  const { store, signal, log, onEnded } = options;
  const state = await persist(() => store.state(turn.id), signal, log);
  if (state?.epoch !== turn.epoch) return { kind: 'lost' };
  if (state.status === 'running') return { kind: state.stopRequested ? 'stop_requested' : 'lost' };
  onEnded();
  return { kind: 'ended', seq: null };
}
