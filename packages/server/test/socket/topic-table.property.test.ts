import { wireError } from '@fleetlm/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Effect, Join } from '../../src/socket/topic-effects.ts';
import { TopicTable } from '../../src/socket/topic-table.ts';

type TestJoin = Join<string, string>;
type TestEffect = Effect<string, string>;

const topics = ['room:1', 'room:2', 'room:3'] as const;

const topicArbitrary = fc.constantFrom(...topics);
const pickArbitrary = fc.nat(20);

/** What a client or a channel may do next. `pick` chooses among the joins that the step fits. */
const stepArbitrary = fc.oneof(
  fc.record({ do: fc.constant('join' as const), topic: topicArbitrary, hasJoinRef: fc.boolean() }),
  fc.record({
    do: fc.constantFrom('push' as const, 'leave' as const),
    topic: topicArbitrary,
    joinRef: fc.constantFrom('current' as const, 'none' as const, 'stale' as const),
  }),
  fc.record({
    do: fc.constantFrom('accept' as const, 'refuse' as const, 'unmatched' as const, 'crashJoin' as const),
    pick: pickArbitrary,
  }),
  fc.record({
    do: fc.constantFrom('return' as const, 'output' as const, 'close' as const, 'crash' as const),
    pick: pickArbitrary,
  }),
);
type Step = typeof stepArbitrary extends fc.Arbitrary<infer T> ? T : never;
type ChannelAction = Exclude<Step['do'], 'join' | 'push' | 'leave'>;

test('whatever happens, in whatever order', () => {
  const script = fc.array(stepArbitrary, { maxLength: 60 });
  fc.assert(
    fc.property(script, fc.integer({ min: 1, max: 3 }), (steps, maxTopics) => {
      const model = new Model(maxTopics);
      for (const step of steps) model.run(step);
      model.finish();
    }),
    { numRuns: 2_000 },
  );
});

interface Known {
  replied: boolean;
  calls: number;
  ends: number;
  leaves: number;
  /** Whether `settle` was the last call, and is done. */
  settling: 'no' | 'under way' | 'done';
}

/** Plays client and channels, and checks each effect against everything that came before it. */
class Model {
  readonly #table: TopicTable<string, string>;
  readonly #maxTopics: number;
  /** Every join that was opened, with what is known of it. */
  readonly #joins = new Map<TestJoin, Known>();
  /** The join_ref that the client uses on each topic. */
  readonly #clientJoinRefs = new Map<string, string | null>();
  /** Every frame of the client that must be answered or handed over, or may be dropped as stale. */
  readonly #pushes = new Map<string, { outcomes: number; readonly mayBeStale: boolean }>();
  readonly #lastTaken = new Map<string, number>();
  #nextRef = 1;

  constructor(maxTopics: number) {
    this.#maxTopics = maxTopics;
    this.#table = new TopicTable({ maxTopics, maxPendingFrames: 4, maxPendingBytes: 1_000 });
  }

  run(step: Step): void {
    if ('topic' in step) {
      this.#send(step);
      return;
    }
    const fits = [...this.#joins.keys()].filter((join) => this.#fits(step.do, join));
    const join = fits[step.pick % fits.length];
    if (join !== undefined) this.#check(this.#answer(step.do, join));
  }

  /** Lets everything run to its end, then ends the socket. */
  finish(): void {
    for (let isQuiet = false; !isQuiet; ) isQuiet = !this.#advance();
    for (const push of this.#pushes.values()) {
      if (!push.mayBeStale) expect(push.outcomes).toBe(1);
    }
    this.#check(this.#table.endAll());
    for (const [join, known] of this.#joins) {
      expect(join.phase).toBe('over');
      expect(known.leaves).toBe(1);
      expect(known.ends).toBeLessThanOrEqual(1);
    }
    expect(this.#table.size).toBe(0);
  }

  /** Whether a join or a call was still under way. */
  #advance(): boolean {
    const join = this.#find(({ phase }) => phase === 'joining' || phase === 'running');
    if (join === undefined) return false;
    this.#check(this.#answer(join.phase === 'joining' ? 'accept' : 'return', join));
    return true;
  }

  #send(step: Extract<Step, { topic: string }>): void {
    const { topic } = step;
    const ref = String(this.#nextRef++);
    if (step.do === 'join') {
      const joinRef = step.hasJoinRef ? ref : null;
      this.#clientJoinRefs.set(topic, joinRef);
      this.#check(this.#table.receive({ joinRef, ref, topic, event: 'phx_join', payload: {} }, 1));
      return;
    }
    const joinRefs = { stale: 'stale', none: null, current: this.#clientJoinRefs.get(topic) ?? null };
    const joinRef = joinRefs[step.joinRef];
    const event = step.do === 'leave' ? 'phx_leave' : 'ev';
    this.#pushes.set(ref, { outcomes: 0, mayBeStale: joinRef !== null });
    this.#check(this.#table.receive({ joinRef, ref, topic, event, payload: {} }, 1));
  }

  /** Late and repeated answers, output and endings of a channel must be harmless: they fit always. */
  #fits(action: ChannelAction, join: TestJoin): boolean {
    return action !== 'return' || this.#joins.get(join)!.calls > 0;
  }

  #answer(action: ChannelAction, join: TestJoin): readonly TestEffect[] {
    switch (action) {
      case 'accept':
        return this.#table.accept(join, '{}');
      case 'refuse':
        return this.#table.refuse(join, wireError('session_not_found'));
      case 'unmatched':
        return this.#table.refuseUnmatched(join);
      case 'crashJoin':
        return this.#table.crashJoin(join);
      case 'return':
        this.#return(this.#joins.get(join)!);
        return this.#table.resume(join);
      case 'output':
        return this.#table.offer(join, describe(join)) ? [{ kind: 'send', output: describe(join) }] : [];
      default:
        return this.#table.end(join, action);
    }
  }

  #check(effects: readonly TestEffect[]): void {
    const calls = effects.filter(({ kind }) => ['open', 'joined', 'handle', 'settle'].includes(kind));
    expect(calls.length).toBeLessThanOrEqual(1);
    if (calls.length === 1) expect(effects.at(-1)).toBe(calls[0]);
    for (const [index, effect] of effects.entries()) {
      this.#checkEffect(effect);
      this.#checkSettled(effect, effects[index + 1]);
    }
    expect(this.#table.size).toBeLessThanOrEqual(this.#maxTopics);
  }

  #checkEffect(effect: TestEffect): void {
    switch (effect.kind) {
      case 'open':
        this.#joins.set(effect.join, { replied: false, calls: 0, ends: 0, leaves: 0, settling: 'no' });
        break;
      case 'joined':
        this.#checkCall(effect.join);
        break;
      case 'handle':
        this.#checkCall(effect.join);
        this.#settle(String(effect.ref), effect.join.topic);
        break;
      case 'settle':
        this.#checkCall(effect.join);
        this.#joins.get(effect.join)!.settling = 'under way';
        break;
      case 'leave':
        this.#checkLeave(effect.join);
        break;
      case 'reply':
        this.#checkReply(effect);
        break;
      case 'end':
        this.#checkEnd(effect);
        break;
      case 'send': {
        const join = this.#find((candidate) => describe(candidate) === effect.output)!;
        expect(this.#joins.get(join)).toMatchObject({ replied: true, leaves: 0 });
      }
    }
  }

  #return(known: Known): void {
    known.calls -= 1;
    if (known.settling === 'under way') known.settling = 'done';
  }

  /** A join that the client ended, by a leave or a rejoin, had settled, and got nothing to do after that. */
  #checkSettled(effect: TestEffect, next: TestEffect | undefined): void {
    if (effect.kind !== 'leave') return;
    const isByClient =
      next?.kind === 'open' || (next?.kind === 'reply' && this.#pushes.has(String(next.ref)));
    if (isByClient) expect(this.#joins.get(effect.join)!.settling).toBe('done');
  }

  #checkLeave(join: TestJoin): void {
    const known = this.#joins.get(join)!;
    known.leaves += 1;
    known.calls = 0;
    expect(known.leaves).toBe(1);
  }

  /** Calls come after the join reply, one at a time, and never after the leave. */
  #checkCall(join: TestJoin): void {
    const known = this.#joins.get(join)!;
    expect(known).toMatchObject({ replied: true, calls: 0, leaves: 0 });
    known.calls += 1;
    known.settling = 'no';
  }

  #checkReply({ ref, topic, responseJson }: Extract<TestEffect, { kind: 'reply' }>): void {
    if (this.#pushes.has(String(ref))) {
      this.#settle(String(ref), String(topic), responseJson.includes('overloaded'));
      return;
    }
    const join = this.#find((candidate) => candidate.ref === ref && candidate.topic === topic);
    if (!join) return; // refused before it was opened
    const known = this.#joins.get(join)!;
    expect(known.replied).toBe(false);
    known.replied = true;
  }

  /** A close or error frame: once for each join, after its leave and its join reply. */
  #checkEnd({ joinRef, topic }: Extract<TestEffect, { kind: 'end' }>): void {
    if (joinRef === null) return;
    const join = this.#find((candidate) => candidate.joinRef === joinRef && candidate.topic === topic)!;
    const known = this.#joins.get(join)!;
    known.ends += 1;
    expect(known).toMatchObject({ replied: true, leaves: 1, ends: 1 });
  }

  /** Each frame has one outcome, and those of a topic are taken in order, except the ones refused for room. */
  #settle(ref: string, topic: string, isOverflow = false): void {
    const push = this.#pushes.get(ref)!;
    push.outcomes += 1;
    expect(push.outcomes).toBe(1);
    if (isOverflow) return;
    expect(Number(ref)).toBeGreaterThan(this.#lastTaken.get(topic) ?? 0);
    this.#lastTaken.set(topic, Number(ref));
  }

  #find(predicate: (join: TestJoin) => boolean): TestJoin | undefined {
    return [...this.#joins.keys()].find(predicate);
  }
}

function describe(join: TestJoin): string {
  return `output of ${join.topic} ${join.ref}`;
}
