import { quietLog } from '@fleetlm/testkit';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Log } from '../../src/lib/log.ts';
import type { Actor } from '../../src/runtime/actor.ts';
import { Supervisor } from '../../src/runtime/supervisor.ts';

const idleMs = 100;

class TestActor implements Actor {
  readonly id: string;
  readonly crash: (error: unknown) => void;
  readonly starting = Promise.withResolvers<void>();
  readonly did: string[] = [];
  isIdle = true;

  constructor(id: string, crash: (error: unknown) => void) {
    this.id = id;
    this.crash = crash;
  }

  start(): Promise<void> {
    this.did.push('start');
    return this.starting.promise;
  }

  /** Does nothing once it has started. */
  failStart(): void {
    this.starting.reject(new Error('no start'));
    this.starting.promise.catch(() => this.did.push('not started'));
  }

  stop(): void {
    this.did.push('stop');
  }

  crashed(error: unknown): void {
    this.did.push(`crashed: ${(error as Error).message}`);
  }
}

let made: TestActor[];
let supervisor: Supervisor<string, TestActor>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  made = [];
  supervisor = createSupervisor();
});
afterEach(() => {
  supervisor.stop();
  vi.useRealTimers();
});

function createSupervisor(log: Log = quietLog): Supervisor<string, TestActor> {
  return new Supervisor<string, TestActor>({
    name: 'test',
    idKey: 'test_id',
    create: (id, crash) => {
      const actor = new TestActor(id, crash);
      made.push(actor);
      return actor;
    },
    idleMs,
    log,
  });
}

/** An actor of "id" in its state. */
const states = {
  starting: async () => {
    supervisor.use('id').catch(() => {});
    return made[0]!;
  },
  busy: async () => {
    const actor = await running();
    actor.isIdle = false;
    return actor;
  },
  idle: () => running(),
  'idle for long': async () => {
    const actor = await running();
    vi.advanceTimersByTime(idleMs);
    return actor;
  },
  passivated: async () => {
    const actor = await running();
    vi.advanceTimersByTime(2 * idleMs);
    return actor;
  },
  'start failed': async () => {
    const used = supervisor.use('id');
    made[0]!.starting.reject(new Error('no start'));
    await used.catch(() => {});
    return made[0]!;
  },
  crashed: async () => {
    const actor = await running();
    actor.crash(new Error('fault'));
    return actor;
  },
  stopped: async () => {
    const actor = await running();
    supervisor.stop();
    return actor;
  },
};
type StateName = keyof typeof states;

async function running(): Promise<TestActor> {
  const used = supervisor.use('id');
  made[0]!.starting.resolve();
  return used;
}

const events = {
  use: () => void supervisor.use('id').catch(() => {}),
  'time passes': () => vi.advanceTimersByTime(2 * idleMs),
  crash: (actor: TestActor) => actor.crash(new Error('fault')),
  stop: () => supervisor.stop(),
};
type EventName = keyof typeof events;

/** What the actor did on an event, and how many there are then: `made` in all, `count` in the registry. */
interface Expected {
  readonly did: string[];
  readonly made: number;
  readonly count: number;
}

const stays: Expected = { did: [], made: 1, count: 1 };
const stopped: Expected = { did: ['stop'], made: 1, count: 0 };
const crashed: Expected = { did: ['crashed: fault'], made: 1, count: 0 };
const isGone: Expected = { did: [], made: 1, count: 0 };
const replaced: Expected = { did: [], made: 2, count: 1 };

const table: Record<StateName, Record<EventName, Expected>> = {
  starting: { use: stays, 'time passes': stays, crash: crashed, stop: stopped },
  busy: { use: stays, 'time passes': stays, crash: crashed, stop: stopped },
  idle: { use: stays, 'time passes': stopped, crash: crashed, stop: stopped },
  'idle for long': { use: stays, 'time passes': stopped, crash: crashed, stop: stopped },
  passivated: { use: replaced, 'time passes': isGone, crash: isGone, stop: isGone },
  'start failed': { use: replaced, 'time passes': isGone, crash: isGone, stop: isGone },
  crashed: { use: replaced, 'time passes': isGone, crash: isGone, stop: isGone },
  stopped: { use: isGone, 'time passes': isGone, crash: isGone, stop: isGone },
};

describe.each(Object.keys(states) as StateName[])('%s', (state) => {
  test.each(Object.keys(events) as EventName[])('%s', async (event) => {
    const actor = await states[state]();
    actor.did.length = 0;
    events[event](actor);
    expect({ did: actor.did, made: made.length, count: supervisor.count }).toEqual(table[state][event]);
    const isEntered = table[state][event].count === 1;
    expect(supervisor.find('id')).toBe(isEntered ? made.at(-1) : undefined);
  });
});

test('single-flight: however many ask, it starts once, and all get it', async () => {
  const asked = Array.from({ length: 20 }, () => supervisor.use('id'));
  expect(made).toHaveLength(1);
  made[0]!.starting.resolve();
  expect(new Set(await Promise.all(asked)).size).toBe(1);
  expect(await supervisor.use('id')).toBe(made[0]);
});

test('a failing start is told to all who asked, and the next call tries afresh', async () => {
  const asked = Array.from({ length: 5 }, () => supervisor.use('id'));
  made[0]!.starting.reject(new Error('no start'));
  const results = await Promise.allSettled(asked);
  expect(results.map((result) => result.status)).toEqual(asked.map(() => 'rejected'));
  const again = supervisor.use('id');
  made[1]!.starting.resolve();
  expect(await again).toBe(made[1]);
  expect(made[0]!.did).toEqual(['start']);
});

test('an actor that is idle is passivated after its time, not before', async () => {
  const actor = await running();
  vi.advanceTimersByTime(idleMs);
  expect(supervisor.count).toBe(1);
  vi.advanceTimersByTime(idleMs / 4);
  expect(supervisor.count).toBe(0);
  expect(actor.did).toEqual(['start', 'stop']);
});

test('work in between starts the time afresh', async () => {
  const actor = await running();
  vi.advanceTimersByTime(idleMs);
  actor.isIdle = false;
  vi.advanceTimersByTime(idleMs / 4);
  actor.isIdle = true;
  vi.advanceTimersByTime(idleMs);
  expect(supervisor.count).toBe(1);
  vi.advanceTimersByTime(idleMs / 2);
  expect(supervisor.count).toBe(0);
});

test('it leaves the registry before it stops: who asks during the stop gets a fresh one', async () => {
  const actor = await running();
  let found: TestActor | undefined;
  let fresh: Promise<TestActor> | undefined;
  actor.stop = () => {
    found = supervisor.find('id');
    fresh = supervisor.use('id');
  };
  vi.advanceTimersByTime(2 * idleMs);
  expect(found).toBeUndefined();
  made[1]!.starting.resolve();
  expect(await fresh).toBe(made[1]);
});

test('the same while it crashes', async () => {
  const actor = await running();
  actor.crashed = () => void supervisor.use('id');
  actor.crash(new Error('fault'));
  expect(supervisor.find('id')).toBe(made[1]);
});

test('a late crash of an old actor leaves the new one alone', async () => {
  const actor = await running();
  vi.advanceTimersByTime(2 * idleMs);
  const fresh = supervisor.use('id');
  made[1]!.starting.resolve();
  actor.crash(new Error('late'));
  expect(await fresh).toBe(supervisor.find('id'));
  expect(made[1]!.did).toEqual(['start']);
});

test('one that crashes, or is stopped, while it starts is handed to nobody', async () => {
  const crashing = supervisor.use('a');
  made[0]!.crash(new Error('fault'));
  made[0]!.starting.resolve();
  await expect(crashing).rejects.toThrow();
  const stopping = supervisor.use('b');
  supervisor.stop();
  made[1]!.starting.resolve();
  await expect(stopping).rejects.toThrow();
  expect(supervisor.count).toBe(0);
});

test('a crash is kept to the actor that had it, and logged', async () => {
  const lines: object[] = [];
  const log = { ...quietLog, error: (fields: object) => lines.push(fields) };
  const logged = createSupervisor(log);
  for (const id of ['a', 'b']) void logged.use(id);
  const error = new Error('fault');
  made[0]!.crash(error);
  expect(lines).toEqual([{ err: error, actor: 'test', test_id: 'a' }]);
  expect(made[1]!.did).toEqual(['start']);
  expect(logged.count).toBe(1);
  logged.stop();
});

test('after the stop none starts', async () => {
  supervisor.stop();
  await expect(supervisor.use('id')).rejects.toThrow('after the stop');
  expect(made).toEqual([]);
});

test('property: an id has one actor at a time, and everybody who asks gets one that runs', async () => {
  const step = fc.record({
    do: fc.constantFrom('use', 'started', 'not started', 'crash', 'busy', 'idle', 'time'),
    id: fc.constantFrom('a', 'b'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      made = [];
      supervisor = createSupervisor();
      const results: Promise<boolean>[] = [];
      for (const { do: what, id } of steps) {
        const actor = supervisor.find(id);
        if (what === 'use') results.push(getsRunning(id));
        else if (what === 'started') actor?.starting.resolve();
        else if (what === 'not started') actor?.failStart();
        else if (what === 'crash') actor?.crash(new Error('fault'));
        else if (what === 'time') vi.advanceTimersByTime(idleMs);
        else if (actor) actor.isIdle = what === 'idle';
        await new Promise((resolve) => setImmediate(resolve));
        for (const each of ['a', 'b']) {
          const alive = made.filter((one) => one.id === each && isAlive(one));
          expect(alive).toEqual(supervisor.find(each) ? [supervisor.find(each)] : []);
        }
      }
      for (const actor of made) actor.starting.resolve();
      expect(await Promise.all(results)).not.toContain(false);
      supervisor.stop();
    }),
    { numRuns: 200 },
  );
});

/** False when it was handed an actor that had ended; a refusal is fair. */
async function getsRunning(id: string): Promise<boolean> {
  try {
    return isAlive(await supervisor.use(id));
  } catch {
    return true;
  }
}

function isAlive(actor: TestActor): boolean {
  return !actor.did.some((what) => what !== 'start');
}
