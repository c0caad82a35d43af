import type { MessageId, SessionId } from '@fleetlm/protocol';
import type { Config } from '../../config/config.ts';
import type { Failpoints } from '../../lib/failpoints.ts';
import type { Log } from '../../lib/log.ts';
import { monotonicUlid } from '../../lib/monotonic-ulid.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { ConnectionTarget } from '../../storage/connection.ts';
import { shardKeyOf } from '../shard-key.ts';
import type { StoredMessage } from '../stored-message.ts';
import { appendStatusOf } from './append-status.ts';
import type { CommittedBatch } from './committed-batch.ts';
import type { Draft, OnOutcome, Outcome } from './draft.ts';
import { KnownAgentSessions } from './known-agent-sessions.ts';
import { Lane, type LaneOwner, lateOutcome } from './lane.ts';
import { PendingAppend } from './pending-append.ts';
import { isSameDraft } from './same-draft.ts';
import { Writer } from './writer.ts';

export interface AppenderOptions {
  readonly target: ConnectionTarget;
  readonly limits: Config['append'];
  readonly log: Log;
  readonly failpoints: Failpoints;
  readonly metrics: Metrics;
  /** For tests: how many are remembered. */
  readonly agentSessions?: KnownAgentSessions;
}

/** Whoever shows sessions hears of what was committed. */
export interface MessageListener {
  /** Messages of one batch; of each session in seq order. */
  committed(messages: readonly StoredMessage[]): void;
  /** A session is at `lastSeq` already: whoever follows it and is behind has missed something. */
  reached(sessionId: SessionId, lastSeq: number): void;
}

/** Whoever calls agents hears of what was committed for them. */
interface WakeListener {
  /** Messages of a batch have made or extended turns of agents in these sessions. */
  woke(sessionIds: ReadonlySet<SessionId>): void;
  /** These would have woken an agent, had agents not answered each other so often before. */
  hopLimitReached(messages: readonly StoredMessage[]): void;
}

/** Called synchronously, after the senders were told. Must not throw. */
export interface AppendListener extends MessageListener, WakeListener {}

/** How often deadlines are looked at: an answer may be that late, which phoenix.js' 10 s leave room for. */
const deadlineSweepMs = 250;

/**
 * Stores messages: drafts in, outcomes out, in lanes with group commit. It owns the lanes and their bounds, and
 * pairs drafts of one client_id. It knows nothing of sockets or sessions' actors: they listen.
 */
export class Appender implements LaneOwner {
  readonly #options: AppenderOptions;
  readonly #lanes: readonly Lane[];
  /** Sessions that somebody holds go through here until all their appends are through. */
  readonly #detour: Lane;
  readonly #allLanes: readonly Lane[];
  readonly #detoured = new Map<SessionId, number>();
  readonly #byClientId = new Map<string, PendingAppend>();
  readonly #agentSessions: KnownAgentSessions;
  readonly #newId = monotonicUlid();
  #listener: AppendListener | null = null;
  #sweeper: NodeJS.Timeout | null = null;
  #pendingRows = 0;
  #pendingSize = 0;
  #draining = false;

  constructor(options: AppenderOptions) {
    this.#options = options;
    this.#agentSessions = options.agentSessions ?? new KnownAgentSessions();
    this.#lanes = Array.from({ length: options.limits.lanes }, () => this.#createLane('wait'));
    this.#detour = this.#createLane('around');
    this.#allLanes = [...this.#lanes, this.#detour];
  }

  /** Messages that were handed in and not answered yet. */
  get pendingRows(): number {
    return this.#pendingRows;
  }

  /** Their content and metadata. */
  get pendingBytes(): number {
    return this.#pendingSize;
  }

  /** Whether all lanes have their connection. */
  get isReady(): boolean {
    return this.#allLanes.every((lane) => lane.isConnected);
  }

  listen(listener: AppendListener): void {
    this.#listener = listener;
  }

  async start(): Promise<void> {
    this.#sweeper = setInterval(() => this.#sweep(), deadlineSweepMs);
    await Promise.all(this.#allLanes.map((lane) => lane.start()));
  }

  /** Stores a draft. `onOutcome` is called once, synchronously if the draft is refused at once. */
  append(draft: Draft, onOutcome: OnOutcome): void {
    const { limits } = this.#options;
    const id = draft.id ?? (this.#newId() as MessageId);
    const append = new PendingAppend({ ...draft, id }, performance.now() + limits.deadlineMs, onOutcome);
    if (this.#draining || !this.#fits(append)) {
      this.#count(append, 'overloaded');
      append.settle({ kind: 'overloaded' });
      return;
    }
    this.#pendingRows += 1;
    this.#pendingSize += append.size;
    this.#admit(append);
  }

  /** Refuses new drafts, and resolves when all the others are answered: at the latest after their deadline. */
  async drain(): Promise<void> {
    this.#draining = true;
    // A lane may hand over to the detour, so that one round is not enough.
    while (this.#allLanes.some((lane) => lane.isBusy)) {
      await Promise.all(this.#allLanes.map((lane) => lane.idle()));
    }
  }

  async stop(): Promise<void> {
    this.#draining = true;
    await Promise.all(this.#allLanes.map((lane) => lane.close()));
    if (this.#sweeper) clearInterval(this.#sweeper);
    this.#sweeper = null;
  }

  finish(append: PendingAppend, outcome: Outcome): void {
    this.#settle(append, outcome);
    if (outcome.kind === 'duplicate') this.#listener?.reached(append.draft.sessionId, outcome.lastSeq);
    this.#leaveDetour(append.draft.sessionId);
    const key = clientKey(append);
    if (key === null) return;
    this.#byClientId.delete(key);
    if (append.followers) this.#answerFollowers(append.followers, append, outcome);
  }

  expire(append: PendingAppend): void {
    this.#settle(append, lateOutcome(append));
  }

  committed({ messages, wokenSessions, hopLimited }: CommittedBatch): void {
    this.#listener?.committed(messages);
    if (wokenSessions.size > 0) this.#listener?.woke(wokenSessions);
    if (hopLimited.length > 0) this.#listener?.hopLimitReached(hopLimited);
  }

  /** The batch's appends, and what waits behind them in their lane, in this order. */
  detour(busy: readonly PendingAppend[]): void {
    for (const sessionId of new Set(busy.map((append) => append.draft.sessionId))) {
      const ofSession = busy.filter((append) => append.draft.sessionId === sessionId);
      ofSession.push(...this.#laneOf(sessionId).removeSession(sessionId));
      this.#detoured.set(sessionId, (this.#detoured.get(sessionId) ?? 0) + ofSession.length);
      for (const append of ofSession) this.#detour.push(append);
    }
  }

  isDetoured(append: PendingAppend): boolean {
    return this.#detoured.has(append.draft.sessionId);
  }

  /** A queue that is full by rows, by bytes, or by time refuses: soon is worth more than late. */
  #fits({ size, draft }: PendingAppend): boolean {
    const { maxQueuedRows, maxQueuedBytes, maxQueuedMs } = this.#options.limits;
    if (this.#pendingRows >= maxQueuedRows || this.#pendingSize + size > maxQueuedBytes) return false;
    return this.#laneOf(draft.sessionId).expectedWaitMs <= maxQueuedMs;
  }

  #createLane(locks: 'wait' | 'around'): Lane {
    const { target, limits, log, failpoints, metrics } = this.#options;
    const { hopLimit } = limits;
    return new Lane({
      writer: new Writer({ target, settings: limits, hopLimit, failpoints, metrics, log }),
      limits: { maxRows: limits.maxBatchRows, maxSize: limits.maxBatchBytes },
      locks,
      agentSessions: this.#agentSessions,
      owner: this,
      failpoints,
      metrics,
      log,
    });
  }

  /** Puts an append into its lane, or behind the one with the same client_id that is under way. */
  #admit(append: PendingAppend): void {
    const key = clientKey(append);
    const leader = key === null ? undefined : this.#byClientId.get(key);
    if (leader) {
      leader.followers ??= [];
      leader.followers.push(append);
      return;
    }
    if (key !== null) this.#byClientId.set(key, append);
    this.#dispatch(append);
  }

  #dispatch(append: PendingAppend): void {
    const { sessionId } = append.draft;
    const detoured = this.#detoured.get(sessionId);
    if (detoured === undefined) {
      this.#laneOf(sessionId).push(append);
      return;
    }
    this.#detoured.set(sessionId, detoured + 1);
    this.#detour.push(append);
  }

  #laneOf(sessionId: SessionId): Lane {
    return this.#lanes[shardKeyOf(sessionId) % this.#lanes.length]!;
  }

  /** A session goes back to its own lane when nothing of it is left on the detour: its order is kept. */
  #leaveDetour(sessionId: SessionId): void {
    const detoured = this.#detoured.get(sessionId);
    if (detoured === undefined) return;
    if (detoured > 1) this.#detoured.set(sessionId, detoured - 1);
    else this.#detoured.delete(sessionId);
  }

  /** The same again gets the same answer; if nothing was stored, the next in line has its own turn. */
  #answerFollowers(followers: readonly PendingAppend[], leader: PendingAppend, outcome: Outcome): void {
    const waiting = followers.filter((follower) => !follower.isSettled);
    if (outcome.kind !== 'stored' && outcome.kind !== 'duplicate') {
      for (const follower of waiting) this.#admit(follower);
      return;
    }
    const { message } = outcome;
    for (const follower of waiting) {
      // Its verdict would also end its turn, which only the statement does.
      if (follower.draft.turn !== null) {
        this.#admit(follower);
        continue;
      }
      const isSame = isSameDraft(leader.draft, follower.draft);
      this.#settle(
        follower,
        isSame ? { kind: 'duplicate', message, lastSeq: message.seq } : { kind: 'conflict' },
      );
    }
  }

  #settle(append: PendingAppend, outcome: Outcome): void {
    if (append.isSettled) return;
    this.#pendingRows -= 1;
    this.#pendingSize -= append.size;
    this.#count(append, outcome.kind);
    try {
      append.settle(outcome);
    } catch (error) {
      // The sender's code failed; the lane and everybody else in the batch go on.
      this.#options.log.error({ err: error }, 'telling an outcome failed');
    }
  }

  #count({ deadline, draft }: PendingAppend, kind: Outcome['kind']): void {
    const { metrics, limits } = this.#options;
    const takenMs = deadline - limits.deadlineMs;
    metrics.appended(appendStatusOf[kind], draft.kind, performance.now() - takenMs);
  }

  #sweep(): void {
    const now = performance.now();
    for (const lane of this.#allLanes) lane.expire(now);
    for (const { followers } of this.#byClientId.values()) {
      // Not sent itself, but the one before it was, with the same client_id.
      for (const follower of followers ?? []) {
        if (follower.deadline <= now) this.#settle(follower, { kind: 'outcome_unknown' });
      }
    }
  }
}

/** What makes a retry the same message; null without a client_id. Ids hold no NUL. */
function clientKey({ draft }: PendingAppend): string | null {
  return draft.clientId === null ? null : `${draft.sessionId}\0${draft.senderId}\0${draft.clientId}`;
}
