import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { SessionId } from '@fleetlm/protocol';
import type { Failpoints } from '../../lib/failpoints.ts';
import type { Log } from '../../lib/log.ts';
import { unreachable } from '../../lib/unreachable.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { TracedTransaction } from '../../observability/tracing.ts';
import type { Verdict } from './append-statements.ts';
import { type BatchLimits, planBatch } from './batch-planner.ts';
import type { CommittedBatch } from './committed-batch.ts';
import type { Outcome } from './draft.ts';
import { classifyFailure } from './failure.ts';
import type { KnownAgentSessions } from './known-agent-sessions.ts';
import { LanePace } from './lane-pace.ts';
import { decideNextStep } from './next-step.ts';
import type { PendingAppend } from './pending-append.ts';
import { type SortedVerdicts, sortVerdicts } from './sort-verdicts.ts';
import type { AttemptFacts, Writer } from './writer.ts';

/** Whom a lane tells what became of its appends. Called synchronously; must not throw. */
export interface LaneOwner {
  /** The append's fate is decided: no attempt with it is or will be under way. */
  finish(append: PendingAppend, outcome: Outcome): void;
  /** The append's time is up: its sender is told what can be said now; `finish` may come later. */
  expire(append: PendingAppend): void;
  /** Messages committed together; after `finish` of each. */
  committed(batch: CommittedBatch): void;
  /** Somebody holds these appends' sessions: they go another way, in this order, with what follows them. */
  detour(appends: readonly PendingAppend[]): void;
  isDetoured(append: PendingAppend): boolean;
}

export interface LaneOptions {
  readonly writer: Writer;
  readonly limits: BatchLimits;
  /** `wait` for locked sessions, then hand them over; or always go `around` them and try again. */
  readonly locks: 'wait' | 'around';
  /** Shared by all lanes of a node. */
  readonly agentSessions: KnownAgentSessions;
  readonly owner: LaneOwner;
  readonly failpoints: Failpoints;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** What earlier attempts have told about a batch. */
interface Attempts {
  readonly goAround: boolean;
  readonly collisions: number;
  /** All its sessions have agents, which the attempt before did not know. */
  readonly haveAgents: boolean;
}

/** What an attempt that has committed left alone, and why; it is in neither part as a rule. */
interface LeftAppends {
  /** Somebody else holds the session. */
  readonly busy: readonly PendingAppend[];
  /** The session has agents, and was taken for one without. */
  readonly mistaken: readonly PendingAppend[];
}

/** An attempt ends within milliseconds as a rule, and then more can be said than "unknown". */
const inFlightGraceMs = 500;
/** How often the lane that goes around locks looks whether they are free. */
const lockPollMs = 25;

/**
 * A serial writer. Appends of one session always go through the same lane and at most one batch is in flight,
 * so that a sender's order is the log's order. While a batch is in flight the next one gathers: that is all
 * the group commit there is, and there is no artificial delay.
 *
 * States: idle · writing a batch · recovering the connection, with the batch kept. It owns its queue and its
 * writer; `Appender` bounds the queue and calls everything here.
 */
export class Lane {
  readonly #options: LaneOptions;
  #queue: PendingAppend[] = [];
  #batch: readonly PendingAppend[] = [];
  #running: Promise<void> | null = null;
  #closed = false;
  readonly #pace = new LanePace();
  /** When the newest attempt began. */
  #attemptedMs = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#options.writer.isConnected;
  }

  /** How long an append that came now would wait, by the pace of the last commits. */
  get expectedWaitMs(): number {
    return this.#queue.length * this.#pace.msPerRow;
  }

  /** Connects; resolves when appends can be stored. */
  start(): Promise<void> {
    return this.#options.writer.recover();
  }

  push(append: PendingAppend): void {
    this.#queue.push(append);
    this.#running ??= this.#run();
  }

  /** Takes out the appends of a session that wait, in order. */
  removeSession(sessionId: SessionId): PendingAppend[] {
    const removed = this.#queue.filter((append) => append.draft.sessionId === sessionId);
    if (removed.length > 0)
      this.#queue = this.#queue.filter((append) => append.draft.sessionId !== sessionId);
    return removed;
  }

  /** Tells the senders whose time is up at `now`. An append in flight stays with its batch. */
  expire(now: number): void {
    const { owner } = this.#options;
    for (const append of this.#batch) {
      const deadline = append.inFlight ? append.deadline + inFlightGraceMs : append.deadline;
      if (deadline <= now && !append.isSettled) owner.expire(append);
    }
    if (!this.#queue.some((append) => append.deadline <= now)) return;
    const late = this.#queue.filter((append) => append.deadline <= now);
    this.#queue = this.#queue.filter((append) => append.deadline > now);
    for (const append of late) owner.finish(append, lateOutcome(append));
  }

  get isBusy(): boolean {
    return this.#running !== null;
  }

  /** Resolves when nothing is queued or in flight. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Ends the connection; what was queued is refused, what was in flight ends in doubt. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#options.writer.close();
    await this.idle();
  }

  async #run(): Promise<void> {
    // All frames that the sockets have delivered by now join the first batch; nothing else waits for it.
    await nextTurn();
    while (this.#queue.length > 0) {
      this.#options.metrics.batchTaken(this.#queue.length);
      this.#batch = this.#queue.splice(0, planBatch(this.#queue, this.#options.limits));
      const goAround = this.#options.locks === 'around';
      this.#pace.begin(this.#queue.length > 0);
      await this.#write(this.#batch, { goAround, collisions: 0, haveAgents: false });
      this.#pace.end(this.#batch.length);
      this.#batch = [];
    }
    this.#running = null;
  }

  /** Brings a batch to its end: every append is finished, or handed over, when this resolves. */
  async #write(batch: readonly PendingAppend[], attempts: Attempts): Promise<void> {
    if (!this.isConnected) await this.#options.writer.recover();
    // From here to the attempt nothing waits: who is told "overloaded" meanwhile must not be stored after all.
    const open = this.#dropSettled(this.#handOver(batch));
    if (open.length === 0) return;
    if (this.#closed) {
      this.#finishAll(open, lateOutcome);
      return;
    }
    let left: LeftAppends;
    try {
      left = await this.#attempt(open, attempts);
    } catch (error) {
      return this.#afterFailure(open, attempts, error);
    }
    // At once: nothing later of these sessions may come before them.
    if (left.mistaken.length > 0) await this.#write(left.mistaken, { ...attempts, haveAgents: true });
    await this.#setAside(left.busy);
  }

  async #attempt(batch: readonly PendingAppend[], attempts: Attempts): Promise<LeftAppends> {
    const { writer } = this.#options;
    const drafts = batch.map((append) => append.draft);
    const facts = this.#factsOf(batch, attempts);
    for (const append of batch) append.inFlight = true;
    this.#attemptedMs = performance.now();
    try {
      if (!attempts.goAround) {
        return { mistaken: await this.#conclude(batch, await writer.append(drafts, facts)), busy: [] };
      }
      const { verdicts, busySessions } = await writer.appendFree(drafts, facts);
      const isBusy = (append: PendingAppend) => busySessions.has(append.draft.sessionId);
      const free = batch.filter((append) => !isBusy(append));
      return { mistaken: await this.#conclude(free, verdicts), busy: batch.filter(isBusy) };
    } finally {
      for (const append of batch) append.inFlight = false;
    }
  }

  #factsOf(batch: readonly PendingAppend[], { haveAgents }: Attempts): AttemptFacts {
    const { agentSessions } = this.#options;
    return {
      resubmitted: batch.some((append) => append.inDoubt),
      hasAgents: (sessionId) => haveAgents || agentSessions.has(sessionId),
    };
  }

  /** Tells the senders first, then everybody else. Returns those that the verdicts leave open. */
  async #conclude(
    batch: readonly PendingAppend[],
    verdicts: readonly (Verdict | null)[],
  ): Promise<readonly PendingAppend[]> {
    const { owner, failpoints, agentSessions } = this.#options;
    const transaction = this.#describeAttempt(batch, null);
    if (failpoints.isSet('after_commit_before_ack')) await failpoints.reach('after_commit_before_ack');
    const sorted = sortVerdicts(batch, verdicts);
    for (const { draft } of sorted.mistaken) agentSessions.add(draft.sessionId);
    for (const [index, append] of batch.entries()) {
      append.trace?.commit(transaction);
      const outcome = sorted.outcomes[index]!;
      if (outcome !== null) owner.finish(append, outcome);
    }
    if (sorted.committed.messages.length > 0) this.#announce(batch, sorted);
    return sorted.mistaken;
  }

  #announce(batch: readonly PendingAppend[], { committed, outcomes }: SortedVerdicts): void {
    const beganMs = performance.now();
    this.#options.owner.committed(committed);
    const endedMs = performance.now();
    for (const [index, { trace }] of batch.entries()) {
      if (outcomes[index]?.kind === 'stored') trace?.broadcast(beganMs, endedMs);
    }
  }

  /** Appends whose sessions somebody else holds. */
  async #setAside(busy: readonly PendingAppend[]): Promise<void> {
    if (busy.length === 0) return;
    if (this.#options.locks === 'wait') {
      this.#options.owner.detour(busy);
      return;
    }
    this.#queue.unshift(...busy);
    await sleep(lockPollMs);
  }

  async #afterFailure(batch: readonly PendingAppend[], attempts: Attempts, error: unknown): Promise<void> {
    this.#pace.failed();
    const failure = classifyFailure(error);
    this.#options.metrics.attemptFailed(failure);
    const step = decideNextStep(failure, batch.length, attempts.collisions);
    const transaction = this.#describeAttempt(batch, failure);
    for (const { trace } of batch) trace?.commit(transaction);
    this.#options.log.warn({ err: error, failure, step, drafts: batch.length }, 'append attempt failed');
    switch (step) {
      case 'rerun':
        return this.#write(batch, { ...attempts, collisions: attempts.collisions + 1 });
      case 'go_around':
        return this.#write(batch, { ...attempts, goAround: true });
      case 'split':
        await this.#write(batch.slice(0, batch.length / 2), attempts);
        return this.#write(batch.slice(batch.length / 2), attempts);
      case 'reject':
        this.#finishAll(batch, () => ({ kind: 'invalid', detail: messageOf(error) }));
        return;
      case 'shed':
        this.#finishAll(batch, lateOutcome);
        return;
      case 'give_up':
        this.#finishAll(batch, (append) => ({ kind: append.inDoubt ? 'outcome_unknown' : 'failed' }));
        return;
      case 'recover':
        for (const append of batch) append.inDoubt = true;
        await this.#options.writer.recover();
        return this.#write(batch, attempts);
      default:
        return unreachable(step);
    }
  }

  /** The attempt that ends now, as the traces of its appends show it. */
  #describeAttempt(
    { length: batchSize }: readonly PendingAppend[],
    failure: string | null,
  ): TracedTransaction {
    return { beganMs: this.#attemptedMs, endedMs: performance.now(), batchSize, failure };
  }

  /** Whoever was told at the deadline is not tried again. */
  #dropSettled(batch: readonly PendingAppend[]): readonly PendingAppend[] {
    if (!batch.some(isSettled)) return batch;
    this.#finishAll(batch.filter(isSettled), lateOutcome);
    return batch.filter((append) => !append.isSettled);
  }

  /** Of a batch that was split, the first part may be on the detour already: the rest goes after it. */
  #handOver(batch: readonly PendingAppend[]): readonly PendingAppend[] {
    const { owner, locks } = this.#options;
    if (locks === 'around' || !batch.some(owner.isDetoured, owner)) return batch;
    owner.detour(batch.filter(owner.isDetoured, owner));
    return batch.filter((append) => !owner.isDetoured(append));
  }

  #finishAll(batch: readonly PendingAppend[], outcomeOf: (append: PendingAppend) => Outcome): void {
    for (const append of batch) this.#options.owner.finish(append, outcomeOf(append));
  }
}

/** What can be said of an append whose time is up: only one that surely was not stored is refused. */
export function lateOutcome(append: PendingAppend): Outcome {
  return { kind: append.inFlight || append.inDoubt ? 'outcome_unknown' : 'overloaded' };
}

function isSettled(append: PendingAppend): boolean {
  return append.isSettled;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
