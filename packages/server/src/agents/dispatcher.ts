import { type ParticipantId, type SessionId, type StreamId, type TurnId, wireError } from '@fleetlm/protocol';
import type { Config } from '../config/config.ts';
import { readSession } from '../conversation/sessions.ts';
import type { StoredMessage } from '../conversation/stored-message.ts';
import { fail, type Result } from '../lib/result.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import { PeriodicCheck } from '../runtime/periodic-check.ts';
import type { AnswerSource } from './answer/read-answer.ts';
import { DueSessions } from './due-sessions.ts';
import type { TurnControl, WrittenStream } from './turn-control.ts';
import { TurnSlots } from './turn-slots.ts';
import { CalledRun, type RunOutcome } from './turns/called-run.ts';
import { pruneDeliveries } from './turns/delivery-log.ts';
import type { RunningTurn } from './turns/running-turn.ts';
import { SegmentSaver } from './turns/segment-saver.ts';
import { hopLimitDraft } from './turns/turn-drafts.ts';
import type { TurnParts } from './turns/turn-parts.ts';
import { TurnRun } from './turns/turn-run.ts';
import { type Claims, leaseMs } from './turns/turn-store.ts';
import { WrittenStreams } from './written-streams.ts';

export interface DispatcherOptions extends TurnParts {
  readonly limits: Pick<Config['agents'], 'maxTurnsPerAgent' | 'maxTurns' | 'deliveryLogDays'>;
  readonly hopLimit: number;
}

/** A third of the lease: two renewals may fail. */
const renewIntervalMs = leaseMs / 3;
/** How much of a stream a node's death may take with it. */
const saveIntervalMs = 1_000;
/** What nobody told of waits this long: turns of before a start, leases that ran out. */
const sweepIntervalMs = 1_000;
const cleanIntervalMs = 10 * 60_000;
/** While turns wait for a slot: all that ends or comes within this time is looked for by one sweep. */
const sweepDelayMs = 20;
/** What is left of a shutdown for committing what has come. */
const interruptMarginMs = 2_000;

/**
 * Runs the turns of agents on this node: claims those that are due, lets each run, renews their leases, saves their
 * streams, and cuts those that are stopped. It owns the running turns, what is to be claimed next, and four periodic
 * checks; what is to be done about a turn stands in Postgres, so that nothing is forgotten when it ends.
 *
 * It is told by `wake` what an append made; a sweep finds the rest. While turns wait for a slot all goes by the sweep, so
 * that the oldest is next.
 */
export class Dispatcher implements TurnControl {
  readonly #options: DispatcherOptions;
  readonly #running = new Map<TurnId, { readonly run: TurnRun; readonly done: Promise<unknown> }>();
  readonly #slots: TurnSlots;
  readonly #written: WrittenStreams;
  readonly #due = new DueSessions((sessionId) => this.wake([sessionId]));
  readonly #segments: SegmentSaver;
  readonly #checks: readonly PeriodicCheck[];
  #claiming: Promise<void> | null = null;
  /** Stopped while a claim is under way that may have them in its answer. */
  readonly #stoppedEarly = new Set<TurnId>();
  /** A turn may have been left because of a limit: until a sweep has looked, nothing is claimed that comes later. */
  #isStarved = false;
  #sweepTimer: NodeJS.Timeout | null = null;
  /** Older turns may be on their way here. */
  #isSweeping = false;
  /** From the start to a drain: it claims, and lets agents write. */
  #isOpen = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#slots = new TurnSlots(options.limits);
    this.#written = new WrittenStreams({
      parts: options,
      limits: options.limits,
      keep: (run, work) => this.#keep(run, work),
      recheck: (run) => void this.#try('recheck', () => this.#recheckRun(run)),
    });
    this.#segments = new SegmentSaver(options.db);
    this.#checks = [
      new PeriodicCheck(() => this.#try('renew', () => this.#renew()), renewIntervalMs),
      new PeriodicCheck(() => this.#try('save', () => this.#save()), saveIntervalMs),
      new PeriodicCheck(() => this.#try('sweep', () => this.#sweep()), sweepIntervalMs),
      new PeriodicCheck(() => this.#try('clean', () => this.#clean()), cleanIntervalMs),
    ];
  }

  /** How many turns run here. */
  get count(): number {
    return this.#running.size;
  }

  start(): void {
    this.#isOpen = true;
    for (const check of this.#checks) {
      check.start();
      // What was left before this start waits no longer.
      check.run();
    }
  }

  /** Turns may be due in these sessions: they are claimed at once. */
  wake(sessionIds: Iterable<SessionId>): void {
    if (!this.#isOpen) return;
    this.#due.add(sessionIds);
    // Whoever comes now must not take the slot that an older turn waits for: a sweep finds both.
    if (this.#isStarved || this.#isSweeping) this.#sweepSoon();
    else this.#claimSoon();
  }

  /** Messages that would have woken an agent once more than agents may answer each other. */
  hopLimitReached(messages: readonly StoredMessage[]): void {
    const { appender, hopLimit } = this.#options;
    for (const { sessionId, fields } of messages) {
      appender.append(hopLimitDraft(sessionId, fields.id, hopLimit), () => {});
    }
  }

  async stop(sessionId: SessionId, streamId: StreamId | null): Promise<TurnId[]> {
    const { store } = this.#options;
    const stopped: TurnId[] = [];
    for (const id of await store.listOpen(sessionId, streamId)) {
      if (!(await store.stop(id))) continue;
      const running = this.#running.get(id);
      if (running) running.run.stop();
      else if (this.#claiming) this.#stoppedEarly.add(id);
      stopped.push(id);
    }
    // Behind a turn that waited for its next attempt another one may be pending.
    this.wake([sessionId]);
    return stopped;
  }

  async recheck(sessionId: SessionId): Promise<void> {
    const runs = [...this.#running.values()].filter(({ run }) => run.turn.sessionId === sessionId);
    for (const { run } of runs) await this.#recheckRun(run);
  }

  async write(
    agentId: ParticipantId,
    sessionId: SessionId,
    source: AnswerSource,
  ): Promise<Result<WrittenStream>> {
    if (!this.#isOpen) return fail(wireError('draining'));
    return this.#written.write(agentId, sessionId, source);
  }

  /**
   * Claims nothing more, and waits for the turns that run until little is left of the time; then cuts them: what was
   * shown ends as interrupted, the others are for whoever comes next.
   */
  async drain(signal: AbortSignal, timeMs: number): Promise<void> {
    this.#isOpen = false;
    this.#due.stop();
    await this.#claiming;
    const all = Promise.all([...this.#running.values()].map(({ done }) => done));
    const timer = setTimeout(() => this.#interruptAll(), Math.max(timeMs - interruptMarginMs, 0));
    await Promise.race([all, untilAborted(signal)]);
    clearTimeout(timer);
  }

  /** What still runs is left to whoever takes it over. */
  async close(): Promise<void> {
    const leftovers = this.#running.size;
    this.#isOpen = false;
    await Promise.all(this.#checks.map((check) => check.stop()));
    if (this.#sweepTimer) clearTimeout(this.#sweepTimer);
    this.#due.stop();
    for (const { run } of this.#running.values()) run.abandon();
    await this.#claiming;
    await Promise.all([...this.#running.values()].map(({ done }) => done));
    if (leftovers > 0) await this.#try('expire', () => this.#options.store.expireLeases());
  }

  #claimSoon(): void {
    if (this.#due.isEmpty) return;
    this.#claiming ??= this.#claimAll().finally(() => {
      this.#claiming = null;
      this.#stoppedEarly.clear();
    });
  }

  async #claimAll(): Promise<void> {
    while (!this.#due.isEmpty && this.#isOpen) {
      const { free } = this.#slots;
      if (free <= 0) break;
      const sessionIds = this.#due.take();
      await this.#try('claim', () => this.#claim(sessionIds, free));
    }
    // What could not be claimed is found by a sweep.
    if (!this.#due.isEmpty) this.#isStarved = true;
    this.#due.clear();
  }

  async #claim(sessionIds: readonly SessionId[], limit: number): Promise<void> {
    const { store, limits } = this.#options;
    const { claimed, waiting, givingWay } = await store.claim(sessionIds, {
      slots: this.#slots.agents(),
      freePerAgent: Math.min(limits.maxTurnsPerAgent, limit),
      runningIds: [...this.#running.keys()],
      limit,
    });
    for (const turn of claimed) this.#launch(turn);
    for (const { dueInMs, ...turn } of waiting) this.#wakeIn(turn, dueInMs);
    await this.#giveWay(givingWay);
  }

  async #giveWay(turns: Claims['givingWay']): Promise<void> {
    for (const { id, sessionId } of turns) {
      if (!(await this.#options.store.giveWay(id))) continue;
      const running = this.#running.get(id);
      // Its end wakes the session; one that waited for its next attempt has ended by this.
      if (running) running.run.stop();
      else this.#due.add([sessionId]);
    }
  }

  #launch(turn: RunningTurn): void {
    const { agentId } = turn;
    const run = new TurnRun(turn, this.#options);
    if (this.#stoppedEarly.has(turn.id)) run.stop();
    this.#slots.take(agentId);
    if (this.#slots.freeOf(agentId) <= 0) this.#isStarved = true;
    void this.#keep(run, new CalledRun(run, this.#options).call()).then(({ retryInMs }: RunOutcome) => {
      this.#slots.release(agentId);
      if (this.#isStarved) this.#sweepSoon();
      if (retryInMs !== null) this.#wakeIn(turn, retryInMs);
    });
  }

  /** Keeps a run among those of this node until it is over; then another of its session may have waited for it. */
  async #keep<T>(run: TurnRun, work: Promise<T>): Promise<T> {
    const { id, sessionId } = run.turn;
    this.#running.set(id, { run, done: work });
    try {
      return await work;
    } finally {
      this.#running.delete(id);
      this.wake([sessionId]);
    }
  }

  #sweepSoon(): void {
    this.#sweepTimer ??= setTimeout(() => {
      this.#sweepTimer = null;
      void this.#try('sweep', () => this.#sweep());
    }, sweepDelayMs).unref();
  }

  #wakeIn(turn: Pick<RunningTurn, 'id' | 'sessionId'>, ms: number): void {
    if (this.#isOpen) this.#due.addLater(turn, ms);
  }

  async #renew(): Promise<void> {
    const ids = [...this.#running.keys()];
    if (ids.length === 0) return;
    const held = await this.#options.store.renew(ids);
    for (const id of ids) {
      const running = this.#running.get(id);
      const isToStop = held.get(id);
      // One that has ended meanwhile is not lost.
      if (isToStop === undefined) await this.#checkLost(id);
      else if (isToStop) running?.run.stop();
    }
  }

  /** Whoever has taken it over has raised its epoch; one that has ended under ours is about to leave. */
  async #checkLost(id: TurnId): Promise<void> {
    const state = await this.#options.store.state(id);
    const running = this.#running.get(id);
    if (running !== undefined && state?.epoch !== running.run.turn.epoch) running.run.abandon();
  }

  async #save(): Promise<void> {
    await this.#segments.save([...this.#running.values()].flatMap(({ run }) => run.stream ?? []));
  }

  async #sweep(): Promise<void> {
    this.#isStarved = false;
    if (!this.#isOpen) return;
    const { store, limits } = this.#options;
    const { maxTurnsPerAgent } = limits;
    this.#isSweeping = true;
    const sessionIds = await store
      .sweep([...this.#running.keys()], maxTurnsPerAgent)
      .finally(() => (this.#isSweeping = false));
    if (sessionIds.length >= maxTurnsPerAgent) this.#isStarved = true;
    this.#due.addFound(sessionIds);
    this.#claimSoon();
  }

  async #clean(): Promise<void> {
    const { db, limits } = this.#options;
    await this.#segments.clean();
    await pruneDeliveries(db, limits.deliveryLogDays);
  }

  async #recheckRun(run: TurnRun): Promise<void> {
    const { sessionId, agentId } = run.turn;
    const view = await readSession(this.#options.db, sessionId, agentId);
    const mayGoOn = view?.viewerIsMember && view.session.status === 'open';
    // What it has said is refused, and the turn fails by that.
    if (!mayGoOn) run.interrupt();
  }

  #interruptAll(): void {
    for (const { run } of this.#running.values()) run.interrupt();
  }

  /** The next time, or the sweep, does what could not be done. */
  async #try(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.log.warn({ err: error, what }, 'turns cannot be looked after');
    }
  }
}
