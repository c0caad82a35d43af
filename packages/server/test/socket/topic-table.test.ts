import { type Ref, wireError } from '@fleetlm/protocol';
import { describe, expect, test } from 'vitest';
import type { Effect, Join } from '../../src/socket/topic-effects.ts';
import { TopicTable } from '../../src/socket/topic-table.ts';

type TestJoin = Join<string, string>;
type TestTable = TopicTable<string, string>;

const topic = 'room:1';
const limits = { maxTopics: 2, maxPendingFrames: 3, maxPendingBytes: 1_000 };

/** A table in some state, and the join that events are about: the newest, over or not. */
interface Situation {
  readonly table: TestTable;
  readonly join: TestJoin;
}

type State =
  | 'absent'
  | 'joining'
  | 'rejoining'
  | 'idle'
  | 'running'
  | 'settlingToLeave'
  | 'settlingToRejoin'
  | 'ended';

const states: Record<State, () => Situation> = {
  absent: () => {
    const { table, join } = states.joining();
    table.crashJoin(join);
    return { table, join };
  },
  joining: () => {
    const table: TestTable = new TopicTable(limits);
    return { table, join: openedBy(client(table, '3', '3', 'phx_join')) };
  },
  rejoining: () => {
    const { table, join } = states.idle();
    return { table, join: rejoin(table, join, '7') };
  },
  idle: () => {
    const { table, join } = states.joining();
    table.accept(join, '{}');
    table.resume(join);
    return { table, join };
  },
  running: () => {
    const { table, join } = states.idle();
    client(table, '3', '4', 'first');
    return { table, join };
  },
  settlingToLeave: () => {
    const { table, join } = states.idle();
    client(table, '3', '5', 'phx_leave');
    return { table, join };
  },
  settlingToRejoin: () => {
    const { table, join } = states.idle();
    client(table, '7', '7', 'phx_join');
    return { table, join };
  },
  ended: () => {
    const { table, join } = states.idle();
    table.endAll();
    return { table, join };
  },
};

const events = {
  heartbeat: ({ table }: Situation) => client(table, null, '9', 'heartbeat', 'phoenix'),
  join: ({ table }: Situation) => client(table, '9', '9', 'phx_join'),
  leave: ({ table, join }: Situation) => client(table, join.joinRef, '9', 'phx_leave'),
  leaveWithoutJoinRef: ({ table }: Situation) => client(table, null, '9', 'phx_leave'),
  staleLeave: ({ table }: Situation) => client(table, '0', '9', 'phx_leave'),
  push: ({ table, join }: Situation) => client(table, join.joinRef, '9', 'ev'),
  pushWithoutJoinRef: ({ table }: Situation) => client(table, null, '9', 'ev'),
  stalePush: ({ table }: Situation) => client(table, '0', '9', 'ev'),
  numericPush: ({ table, join }: Situation) => client(table, Number(join.joinRef), '9', 'ev'),
  accept: ({ table, join }: Situation) => table.accept(join, '{}'),
  refuse: ({ table, join }: Situation) => table.refuse(join, wireError('forbidden')),
  refuseUnmatched: ({ table, join }: Situation) => table.refuseUnmatched(join),
  crashJoin: ({ table, join }: Situation) => table.crashJoin(join),
  resume: ({ table, join }: Situation) => table.resume(join),
  output: ({ table, join }: Situation) => offer(table, join, 'out'),
  close: ({ table, join }: Situation) => table.end(join, 'close'),
  crash: ({ table, join }: Situation) => table.end(join, 'crash'),
  endAll: ({ table }: Situation) => table.endAll(),
} satisfies Record<string, (situation: Situation) => readonly Effect<string, string>[]>;

/** The effects, then the phase of the topic's newest join. */
type Cell = readonly [effects: readonly string[], phase: TestJoin['phase']];

const beat = 'reply null 9 ok';
const unmatched = 'reply null 9 unmatched topic';

const table: Record<State, Record<keyof typeof events, Cell>> = {
  absent: {
    heartbeat: [[beat], 'over'],
    join: [['open 9'], 'joining'],
    leave: [['reply 3 9 ok'], 'over'],
    leaveWithoutJoinRef: [['reply null 9 ok'], 'over'],
    staleLeave: [['reply 0 9 ok'], 'over'],
    push: [[unmatched], 'over'],
    pushWithoutJoinRef: [[unmatched], 'over'],
    stalePush: [[unmatched], 'over'],
    numericPush: [[unmatched], 'over'],
    accept: [[], 'over'],
    refuse: [[], 'over'],
    refuseUnmatched: [[], 'over'],
    crashJoin: [[], 'over'],
    resume: [[], 'over'],
    output: [[], 'over'],
    close: [[], 'over'],
    crash: [[], 'over'],
    endAll: [[], 'over'],
  },
  joining: {
    heartbeat: [[beat], 'joining'],
    join: [[], 'joining'],
    leave: [[], 'joining'],
    leaveWithoutJoinRef: [[], 'joining'],
    staleLeave: [[], 'joining'],
    push: [[], 'joining'],
    pushWithoutJoinRef: [[], 'joining'],
    stalePush: [[], 'joining'],
    numericPush: [[], 'joining'],
    accept: [['reply 3 3 ok', 'joined 3'], 'running'],
    refuse: [['leave 3', 'reply 3 3 forbidden'], 'over'],
    refuseUnmatched: [['leave 3', 'reply null 3 unmatched topic'], 'over'],
    crashJoin: [['leave 3', 'reply 3 3 join crashed'], 'over'],
    resume: [[], 'joining'],
    output: [[], 'joining'],
    close: [[], 'joining'],
    crash: [[], 'joining'],
    endAll: [['leave 3'], 'over'],
  },
  rejoining: {
    heartbeat: [[beat], 'joining'],
    join: [[], 'joining'],
    leave: [[], 'joining'],
    leaveWithoutJoinRef: [[], 'joining'],
    staleLeave: [[], 'joining'],
    push: [[], 'joining'],
    pushWithoutJoinRef: [[], 'joining'],
    stalePush: [[], 'joining'],
    numericPush: [[], 'joining'],
    accept: [['reply 7 7 ok', 'phx_close 3', 'joined 7'], 'running'],
    refuse: [['leave 7', 'reply 7 7 forbidden', 'phx_close 3'], 'over'],
    refuseUnmatched: [['leave 7', 'reply null 7 unmatched topic', 'phx_close 3'], 'over'],
    crashJoin: [['leave 7', 'reply 7 7 join crashed', 'phx_close 3'], 'over'],
    resume: [[], 'joining'],
    output: [[], 'joining'],
    close: [[], 'joining'],
    crash: [[], 'joining'],
    endAll: [['leave 7'], 'over'],
  },
  idle: {
    heartbeat: [[beat], 'idle'],
    join: [['settle 3'], 'running'],
    leave: [['settle 3'], 'running'],
    leaveWithoutJoinRef: [['settle 3'], 'running'],
    staleLeave: [[], 'idle'],
    push: [['handle ev 9'], 'running'],
    pushWithoutJoinRef: [['handle ev 9'], 'running'],
    stalePush: [[], 'idle'],
    numericPush: [[], 'idle'],
    accept: [[], 'idle'],
    refuse: [[], 'idle'],
    refuseUnmatched: [[], 'idle'],
    crashJoin: [[], 'idle'],
    resume: [[], 'idle'],
    output: [['send out'], 'idle'],
    close: [['leave 3', 'phx_close 3'], 'over'],
    crash: [['leave 3', 'phx_error 3'], 'over'],
    endAll: [['leave 3'], 'over'],
  },
  running: {
    heartbeat: [[beat], 'running'],
    join: [[], 'running'],
    leave: [[], 'running'],
    leaveWithoutJoinRef: [[], 'running'],
    staleLeave: [[], 'running'],
    push: [[], 'running'],
    pushWithoutJoinRef: [[], 'running'],
    stalePush: [[], 'running'],
    numericPush: [[], 'running'],
    accept: [[], 'running'],
    refuse: [[], 'running'],
    refuseUnmatched: [[], 'running'],
    crashJoin: [[], 'running'],
    resume: [[], 'idle'],
    output: [['send out'], 'running'],
    close: [['leave 3', 'phx_close 3'], 'over'],
    crash: [['leave 3', 'phx_error 3'], 'over'],
    endAll: [['leave 3'], 'over'],
  },
  settlingToLeave: {
    heartbeat: [[beat], 'running'],
    join: [[], 'running'],
    leave: [[], 'running'],
    leaveWithoutJoinRef: [[], 'running'],
    staleLeave: [[], 'running'],
    push: [[], 'running'],
    pushWithoutJoinRef: [[], 'running'],
    stalePush: [[], 'running'],
    numericPush: [[], 'running'],
    accept: [[], 'running'],
    refuse: [[], 'running'],
    refuseUnmatched: [[], 'running'],
    crashJoin: [[], 'running'],
    resume: [['leave 3', 'reply 3 5 ok', 'phx_close 3'], 'over'],
    output: [['send out'], 'running'],
    close: [['leave 3', 'phx_close 3', 'reply 3 5 ok'], 'over'],
    crash: [['leave 3', 'phx_error 3', 'reply 3 5 ok'], 'over'],
    endAll: [['leave 3'], 'over'],
  },
  settlingToRejoin: {
    heartbeat: [[beat], 'running'],
    join: [[], 'running'],
    leave: [[], 'running'],
    leaveWithoutJoinRef: [[], 'running'],
    staleLeave: [[], 'running'],
    push: [[], 'running'],
    pushWithoutJoinRef: [[], 'running'],
    stalePush: [[], 'running'],
    numericPush: [[], 'running'],
    accept: [[], 'running'],
    refuse: [[], 'running'],
    refuseUnmatched: [[], 'running'],
    crashJoin: [[], 'running'],
    resume: [['leave 3', 'open 7'], 'joining'],
    output: [['send out'], 'running'],
    close: [['leave 3', 'phx_close 3', 'open 7'], 'joining'],
    crash: [['leave 3', 'phx_error 3', 'open 7'], 'joining'],
    endAll: [['leave 3'], 'over'],
  },
  ended: {
    heartbeat: [[], 'over'],
    join: [[], 'over'],
    leave: [[], 'over'],
    leaveWithoutJoinRef: [[], 'over'],
    staleLeave: [[], 'over'],
    push: [[], 'over'],
    pushWithoutJoinRef: [[], 'over'],
    stalePush: [[], 'over'],
    numericPush: [[], 'over'],
    accept: [[], 'over'],
    refuse: [[], 'over'],
    refuseUnmatched: [[], 'over'],
    crashJoin: [[], 'over'],
    resume: [[], 'over'],
    output: [[], 'over'],
    close: [[], 'over'],
    crash: [[], 'over'],
    endAll: [[], 'over'],
  },
};

describe.each(keysOf(states))('%s', (state) => {
  test.each(keysOf(events))('%s', (event) => {
    const situation = states[state]();
    const effects = events[event](situation);
    const opened = effects.find((effect) => effect.kind === 'open');
    const { phase } = opened?.join ?? situation.join;
    expect([effects.map(describeEffect), phase]).toEqual(table[state][event]);
    expect(situation.table.size).toBe(phase === 'over' ? 0 : 1);
  });
});

describe('what waited is taken in order', () => {
  test('behind a join: until the next call', () => {
    const { table, join } = states.joining();
    client(table, '3', '4', 'a');
    client(table, '3', '5', 'b');
    expect(describeAll(table.accept(join, '{}'))).toEqual(['reply 3 3 ok', 'joined 3']);
    expect(describeAll(table.resume(join))).toEqual(['handle a 4']);
    expect(describeAll(table.resume(join))).toEqual(['handle b 5']);
    expect(describeAll(table.resume(join))).toEqual([]);
  });

  test('a leave and a join behind a call', () => {
    const { table, join } = states.running();
    client(table, '3', '5', 'phx_leave');
    client(table, '6', '6', 'phx_join');
    client(table, '6', '7', 'ev');
    expect(describeAll(table.resume(join))).toEqual(['settle 3']);
    const effects = table.resume(join);
    expect(describeAll(effects)).toEqual(['leave 3', 'reply 3 5 ok', 'phx_close 3', 'open 6']);
    const second = openedBy(effects);
    table.accept(second, '{}');
    expect(describeAll(table.resume(second))).toEqual(['handle ev 7']);
  });

  test('a push and a stale leave behind a leave that settles: after it, or not at all', () => {
    const { table, join } = states.settlingToLeave();
    client(table, '3', '6', 'ev');
    client(table, '0', '7', 'phx_leave');
    expect(describeAll(table.resume(join))).toEqual([
      'leave 3',
      'reply 3 5 ok',
      'phx_close 3',
      'reply null 6 unmatched topic',
      'reply 0 7 ok',
    ]);
  });

  test('each join settles anew', () => {
    const { table, join } = states.settlingToRejoin();
    const second = openedBy(table.resume(join));
    table.accept(second, '{}');
    table.resume(second);
    expect(describeAll(client(table, '7', '8', 'phx_leave'))).toEqual(['settle 7']);
    expect(describeAll(table.resume(second))).toEqual(['leave 7', 'reply 7 8 ok', 'phx_close 7']);
  });

  test.each([
    ['phx_join', 'no object', 'reply 7 3 invalid_request'],
    ['ev', 'no object', 'reply 3 3 invalid_request'],
    [7, {}, 'reply 3 3 invalid_request'],
  ])(
    '%j with the payload %j, refused here: after the answers before it, and the join goes on',
    (...refused) => {
      const [event, payload, answer] = refused;
      const { table, join } = states.idle();
      const joinRef = event === 'phx_join' ? '7' : '3';
      for (let round = 0; round < 2; round += 1) {
        const frame = { joinRef, ref: '3', topic, event, payload };
        expect(describeAll(table.receive(frame, 10))).toEqual(['settle 3']);
        expect(describeAll(table.resume(join))).toEqual([answer]);
      }
      expect(describeAll(client(table, '3', '9', 'ev'))).toEqual(['handle ev 9']);
    },
  );

  test('behind a channel that ends: unmatched', () => {
    const { table, join } = states.running();
    client(table, '3', '5', 'ev');
    client(table, '3', '6', 'phx_leave');
    expect(describeAll(table.end(join, 'crash'))).toEqual([
      'leave 3',
      'phx_error 3',
      'reply null 5 unmatched topic',
      'reply 3 6 ok',
    ]);
    expect(table.size).toBe(0);
  });

  test('a join that is refused behind another is refused at once', () => {
    const { table, join } = states.joining();
    client(table, '7', '7', 'phx_join');
    const second = openedBy(table.refuse(join, wireError('forbidden')));
    expect(second.joinRef).toBe('7');
    expect(second.replaced).toBeNull();
  });

  test('more than the bound is refused, and the rest is kept', () => {
    const { table, join } = states.running();
    for (const ref of ['5', '6', '7']) client(table, '3', ref, 'ev');
    expect(describeAll(client(table, '3', '8', 'ev'))).toEqual(['reply 3 8 overloaded']);
    expect(describeAll(client(table, '9', '9', 'phx_join'))).toEqual(['reply 9 9 overloaded']);
    for (const ref of ['5', '6', '7']) expect(describeAll(table.resume(join))).toEqual([`handle ev ${ref}`]);
  });

  test('the bytes of all topics are bounded together, and given back', () => {
    const { table, join } = states.running();
    const other = openedBy(client(table, '5', '5', 'phx_join', 'room:2'));
    client(table, '3', '6', 'ev', topic, 600);
    expect(describeAll(client(table, '5', '7', 'ev', 'room:2', 600))).toEqual(['reply 5 7 overloaded']);
    table.resume(join);
    expect(describeAll(client(table, '5', '8', 'ev', 'room:2', 600))).toEqual([]);
    table.end(other, 'close');
  });

  test('the bytes of a leave that settles are counted once, and given back', () => {
    const { table, join } = states.idle();
    client(table, '3', '5', 'phx_leave', topic, 600);
    client(table, '7', '7', 'phx_join', topic, 400);
    expect(describeAll(client(table, '7', '8', 'ev', topic, 1))).toEqual(['reply 7 8 overloaded']);
    openedBy(table.resume(join));
    expect(describeAll(client(table, '7', '9', 'ev', topic, 1_000))).toEqual([]);
    expect(describeAll(client(table, '7', '10', 'ev', topic, 1))).toEqual(['reply 7 10 overloaded']);
  });
});

describe('what a channel sends before its join reply', () => {
  test('is held until then, after the close that is owed', () => {
    const { table, join } = states.rejoining();
    offer(table, join, 'a');
    table.end(join, 'close');
    offer(table, join, 'after the end');
    expect(describeAll(table.accept(join, '{}'))).toEqual([
      'reply 7 7 ok',
      'phx_close 3',
      'send a',
      'leave 7',
      'phx_close 7',
    ]);
  });

  test('is forgotten when the join fails', () => {
    const { table, join } = states.joining();
    offer(table, join, 'a');
    table.end(join, 'crash');
    expect(describeAll(table.crashJoin(join))).toEqual(['leave 3', 'reply 3 3 join crashed']);
  });

  test('too much of it fails the join', () => {
    const { table, join } = states.joining();
    for (let n = 0; n < 10; n += 1) offer(table, join, 'out');
    expect(join.held.length).toBe(limits.maxPendingFrames + 1);
    expect(describeAll(table.accept(join, '{}'))).toEqual(['leave 3', 'reply 3 3 overloaded']);
  });
});

describe('topics', () => {
  test('too many are refused; a rejoin and a failed join are not counted', () => {
    const { table, join } = states.idle();
    const second = openedBy(client(table, '4', '4', 'phx_join', 'room:2'));
    expect(describeAll(client(table, '5', '5', 'phx_join', 'room:3'))).toEqual([
      'reply 5 5 too many channels joined',
    ]);
    expect(describeAll(client(table, '6', '6', 'phx_join'))).toEqual(['settle 3']);
    expect(describeAll(table.resume(join))).toEqual(['leave 3', 'open 6']);
    table.crashJoin(second);
    expect(describeAll(client(table, '7', '7', 'phx_join', 'room:3'))).toEqual(['open 7']);
  });

  test('a topic left and joined behind a call keeps its place', () => {
    const { table, join } = states.running();
    openedBy(client(table, '5', '5', 'phx_join', 'room:2'));
    client(table, '3', '6', 'phx_leave');
    client(table, '7', '7', 'phx_join');
    table.resume(join);
    expect(describeAll(table.resume(join)).at(-1)).toBe('open 7');
  });

  test('a client that rejoins for ever is not remembered for ever', () => {
    const { table, join } = states.idle();
    let current = join;
    for (let n = 0; n < 3; n += 1) {
      current = rejoin(table, current, `${n}`);
      table.accept(current, '{}');
      table.resume(current);
    }
    expect(current.replaced).toEqual({ topic, joinRef: '1' });
  });
});

function client(
  table: TestTable,
  joinRef: Ref,
  ref: Ref,
  event: string,
  name = topic,
  bytes = 10,
): readonly Effect<string, string>[] {
  return table.receive({ joinRef, ref, topic: name, event, payload: {} }, bytes);
}

function rejoin(table: TestTable, join: TestJoin, ref: string): TestJoin {
  client(table, ref, ref, 'phx_join');
  return openedBy(table.resume(join));
}

function offer(table: TestTable, join: TestJoin, output: string): readonly Effect<string, string>[] {
  return table.offer(join, output) ? [{ kind: 'send', output }] : [];
}

function openedBy(effects: readonly Effect<string, string>[]): TestJoin {
  const last = effects.at(-1);
  if (last?.kind !== 'open') throw new Error(`no join was opened: ${describeAll(effects)}`);
  return last.join;
}

function describeAll(effects: readonly Effect<string, string>[]): string[] {
  return effects.map(describeEffect);
}

function describeEffect(effect: Effect<string, string>): string {
  switch (effect.kind) {
    case 'open':
    case 'joined':
    case 'settle':
    case 'leave':
      return `${effect.kind} ${effect.join.joinRef}`;
    case 'handle':
      return `handle ${effect.event} ${effect.ref}`;
    case 'send':
      return `send ${effect.output}`;
    case 'end':
      return `${effect.event} ${effect.joinRef}`;
    case 'reply':
      return `reply ${effect.joinRef} ${effect.ref} ${JSON.parse(effect.responseJson).reason ?? effect.status}`;
  }
}

function keysOf<Key extends string>(record: Record<Key, unknown>): Key[] {
  return Object.keys(record) as Key[];
}
