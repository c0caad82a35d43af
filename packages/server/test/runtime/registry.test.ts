import { describe, expect, test } from 'vitest';
import { Registry } from '../../src/runtime/registry.ts';

const actor = { name: 'one' };
const other = { name: 'other' };
type TestActor = typeof actor;

interface Fixture {
  readonly registry: Registry<string, TestActor>;
  readonly start: PromiseWithResolvers<void>;
}

const states = {
  empty: async () => {},
  starting: async ({ registry, start }: Fixture) => {
    void registry.enter('id', actor, () => start.promise).catch(() => {});
  },
  running: async ({ registry, start }: Fixture) => {
    start.resolve();
    await registry.enter('id', actor, () => start.promise);
  },
  'start failed': async ({ registry, start }: Fixture) => {
    start.reject(new Error('no start'));
    await registry.enter('id', actor, () => start.promise).catch(() => {});
  },
  'left while starting': async ({ registry, start }: Fixture) => {
    void registry.enter('id', actor, () => start.promise).catch(() => {});
    registry.leave('id', actor);
  },
  left: async ({ registry, start }: Fixture) => {
    start.resolve();
    await registry.enter('id', actor, () => start.promise);
    registry.leave('id', actor);
  },
};
type StateName = keyof typeof states;

interface Seen {
  readonly size: number;
  readonly isFound: boolean;
  readonly isAwaitable: boolean;
  readonly isRunning: boolean;
}

const nowhere: Seen = { size: 0, isFound: false, isAwaitable: false, isRunning: false };
const table: Record<StateName, Seen> = {
  empty: nowhere,
  starting: { size: 1, isFound: true, isAwaitable: true, isRunning: false },
  running: { size: 1, isFound: true, isAwaitable: true, isRunning: true },
  'start failed': nowhere,
  'left while starting': nowhere,
  left: nowhere,
};

async function enter(state: StateName): Promise<Fixture> {
  const fixture = {
    registry: new Registry<string, TestActor>(),
    start: Promise.withResolvers<void>(),
  };
  await states[state](fixture);
  return fixture;
}

describe.each(Object.keys(states) as StateName[])('%s', (state) => {
  test('who is found', async () => {
    const { registry } = await enter(state);
    const all: [string, TestActor][] = [];
    const running: string[] = [];
    registry.visitAll((...entry) => all.push(entry));
    registry.visitRunning((id) => running.push(id));
    const seen = {
      size: registry.size,
      isFound: registry.find('id') === actor,
      isAwaitable: registry.whenRunning('id') !== undefined,
      isRunning: running.length === 1,
    };
    expect(seen).toEqual(table[state]);
    expect(all).toEqual(seen.isFound ? [['id', actor]] : []);
    expect(registry.find('other id')).toBeUndefined();
  });

  test('who may leave: the actor that is there, once', async () => {
    const { registry } = await enter(state);
    expect(registry.leave('id', other)).toBe(false);
    expect(registry.leave('id', actor)).toBe(table[state].isFound);
    expect(registry.leave('id', actor)).toBe(false);
    expect(registry.size).toBe(0);
  });
});

test('all who ask while it starts get the same promise', async () => {
  const { registry, start } = await enter('starting');
  const asked = [registry.whenRunning('id'), registry.whenRunning('id')];
  expect(asked[0]).toBe(asked[1]);
  start.resolve();
  expect(await Promise.all(asked)).toEqual([actor, actor]);
});

test('a start that fails late does not take out the actor that has its place by now', async () => {
  const { registry, start } = await enter('left while starting');
  await registry.enter('id', other, async () => {});
  start.reject(new Error('too late'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(registry.find('id')).toBe(other);
});

test('who waited for a start hears when the actor left meanwhile', async () => {
  const registry = new Registry<string, TestActor>();
  const start = Promise.withResolvers<void>();
  const running = registry.enter('id', actor, () => start.promise);
  registry.leave('id', actor);
  start.resolve();
  await expect(running).rejects.toThrow('ended while it started');
});

test('a start that throws at once counts as one that fails', async () => {
  const registry = new Registry<string, TestActor>();
  const fail = () => {
    throw new Error('at once');
  };
  await expect(async () => registry.enter('id', actor, fail)).rejects.toThrow('at once');
  expect(registry.size).toBe(0);
});
