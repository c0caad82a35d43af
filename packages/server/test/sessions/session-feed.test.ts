import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoredMessage } from '../../src/conversation/stored-message.ts';
import { Broadcast } from '../../src/pubsub/broadcast.ts';
import { type FeedReader, type FeedSource, SessionFeed } from '../../src/sessions/session-feed.ts';
import { range, storedMessages } from './fixtures.ts';

type Page = StoredMessage[];

/** A session and a reader that do nothing by themselves: a test says when each step is done. */
class Script implements FeedSource, FeedReader {
  readonly feed = new SessionFeed(this, this, null);
  /** What the feed did, in order. */
  readonly did: string[] = [];
  lastSeq = 0;
  draining: PromiseWithResolvers<void> | null = null;
  reading: (PromiseWithResolvers<Page> & { readonly cursor: number }) | null = null;

  readAfter(cursor: number): Promise<Page> {
    this.did.push(`read after ${cursor}`);
    this.reading = { ...Promise.withResolvers<Page>(), cursor };
    return this.reading.promise;
  }

  release(): void {
    this.did.push('release');
  }

  push(message: StoredMessage): void {
    this.did.push(`push ${message.seq}`);
  }

  deliver(broadcast: Broadcast): void {
    this.did.push(`deliver ${broadcast.seq}`);
  }

  drained(): Promise<void> {
    this.draining = Promise.withResolvers<void>();
    return this.draining.promise;
  }

  failed(error: unknown): void {
    this.did.push(`failed: ${(error as Error).message}`);
  }

  revoked(): void {
    this.did.push('revoked');
  }

  /** The next message is committed and broadcast. */
  commit(): void {
    this.lastSeq += 1;
    this.broadcast(this.lastSeq);
  }

  broadcast(seq: number): void {
    this.feed.deliver(new Broadcast('session:1', seq === 0 ? 'session' : 'message', '{}', seq));
  }

  /** An earlier message comes once more. */
  repeat(): void {
    if (this.lastSeq > 0) this.broadcast(Math.max(this.lastSeq - 1, 1));
  }

  drain(): void {
    this.draining?.resolve();
    this.draining = null;
  }

  /** Answers the read that is under way with up to `limit` messages. */
  answer(limit: number): void {
    if (this.reading === null) return;
    const { cursor } = this.reading;
    this.reading.resolve(storedMessages(cursor + 1, Math.min(cursor + limit, this.lastSeq)));
    this.reading = null;
  }
}

/** Lets promises go on. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Each state with the session at 5 and, but for `waiting`, the reader at 3 or (live) at 5. */
const states = {
  waiting: async (script: Script) => {
    script.lastSeq = 5;
  },
  draining: async (script: Script) => {
    script.lastSeq = 5;
    script.feed.start(3);
  },
  reading: async (script: Script) => {
    script.lastSeq = 5;
    script.feed.start(3);
    script.drain();
    await settle();
  },
  live: async (script: Script) => {
    script.lastSeq = 5;
    script.feed.start(5);
  },
  ended: async (script: Script) => {
    script.lastSeq = 5;
    script.feed.start(5);
    script.feed.end();
  },
};
type StateName = keyof typeof states;

const events = {
  'start at the end': (script: Script) => script.feed.start(5),
  'start behind': (script: Script) => script.feed.start(4),
  'the next broadcast': (script: Script) => script.commit(),
  'an old broadcast': (script: Script) => script.broadcast(5),
  'an event without seq': (script: Script) => script.broadcast(0),
  drained: (script: Script) => script.drain(),
  'a page': (script: Script) => script.answer(200),
  'an empty page': (script: Script) => script.answer(0),
  'the reader is gone': (script: Script) => script.draining?.reject(new Error('gone')),
  'the log fails': (script: Script) => script.reading?.reject(new Error('log')),
  end: (script: Script) => script.feed.end(),
  fail: (script: Script) => script.feed.fail(new Error('crash')),
  revoke: (script: Script) => script.feed.revoke(),
};
type EventName = keyof typeof events;

const nothing: string[] = [];
const crashed = ['release', 'failed: crash'];
const revoked = ['release', 'revoked'];
const table: Record<StateName, Record<EventName, string[]>> = {
  waiting: {
    'start at the end': nothing,
    'start behind': nothing, // it waits for the reader
    'the next broadcast': nothing,
    'an old broadcast': nothing,
    'an event without seq': ['deliver 0'], // the port holds it until the join reply
    drained: nothing,
    'a page': nothing,
    'an empty page': nothing,
    'the reader is gone': nothing,
    'the log fails': nothing,
    end: ['release'],
    fail: crashed,
    revoke: revoked,
  },
  draining: {
    'start at the end': nothing,
    'start behind': nothing,
    'the next broadcast': nothing,
    'an old broadcast': nothing,
    'an event without seq': ['deliver 0'],
    drained: ['read after 3'],
    'a page': nothing,
    'an empty page': nothing,
    'the reader is gone': ['release', 'failed: gone'],
    'the log fails': nothing,
    end: ['release'],
    fail: crashed,
    revoke: revoked,
  },
  reading: {
    'start at the end': nothing,
    'start behind': nothing,
    'the next broadcast': nothing,
    'an old broadcast': nothing,
    'an event without seq': ['deliver 0'],
    drained: nothing,
    'a page': ['push 4', 'push 5'],
    'an empty page': ['release', 'failed: the log has nothing after seq 3'],
    'the reader is gone': nothing,
    'the log fails': ['release', 'failed: log'],
    end: ['release'],
    fail: crashed,
    revoke: revoked,
  },
  live: {
    'start at the end': nothing,
    'start behind': nothing,
    'the next broadcast': ['deliver 6'],
    'an old broadcast': nothing,
    'an event without seq': ['deliver 0'],
    drained: nothing,
    'a page': nothing,
    'an empty page': nothing,
    'the reader is gone': nothing,
    'the log fails': nothing,
    end: ['release'],
    fail: crashed,
    revoke: revoked,
  },
  ended: {
    'start at the end': nothing,
    'start behind': nothing,
    'the next broadcast': nothing,
    'an old broadcast': nothing,
    'an event without seq': nothing,
    drained: nothing,
    'a page': nothing,
    'an empty page': nothing,
    'the reader is gone': nothing,
    'the log fails': nothing,
    end: nothing,
    fail: nothing,
    revoke: nothing,
  },
};

describe.each(Object.keys(states) as StateName[])('%s', (state) => {
  test.each(Object.keys(events) as EventName[])('%s', async (event) => {
    const script = new Script();
    await states[state](script);
    script.did.length = 0;
    events[event](script);
    await settle();
    expect(script.did).toEqual(table[state][event]);
  });

  test('after its end nothing is shown, whatever was under way', async () => {
    const script = new Script();
    await states[state](script);
    script.feed.end();
    script.did.length = 0;
    script.commit();
    script.drain();
    script.answer(200);
    script.broadcast(0);
    script.feed.start(0);
    await settle();
    expect(script.did.filter((what) => !what.startsWith('read'))).toEqual([]);
  });
});

test('a page that skips a message ends the feed rather than show a hole', async () => {
  const script = new Script();
  await states.reading(script);
  script.reading!.resolve(storedMessages(5, 5));
  await settle();
  expect(script.did).toEqual(['read after 3', 'release', 'failed: the log has nothing after seq 3']);
});

test('it waits for the reader before every page', async () => {
  const script = new Script();
  script.lastSeq = 6;
  script.feed.start(0);
  for (const _ of [1, 2, 3]) {
    script.drain();
    await settle();
    script.answer(2);
    await settle();
  }
  expect(script.did.filter((what) => what.startsWith('read'))).toEqual([
    'read after 0',
    'read after 2',
    'read after 4',
  ]);
  script.commit();
  expect(script.did.at(-1)).toBe('deliver 7');
});

test('what comes beside the log before the join is answered is handed on, in order', () => {
  const shown: string[] = [];
  const script = new Script();
  script.deliver = (broadcast) => void shown.push(broadcast.event);
  for (const event of ['read', 'session', 'read'])
    script.feed.deliver(new Broadcast('session:1', event, '{}'));
  expect(shown).toEqual(['read', 'session', 'read']);
});

type Step =
  | { readonly do: 'commit' | 'old' | 'seqless' | 'drain' | 'settle' }
  | { readonly do: 'answer'; readonly limit: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ do: 'commit' }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'old' }, { do: 'seqless' }) },
  { weight: 3, arbitrary: fc.constant<Step>({ do: 'drain' }) },
  { weight: 3, arbitrary: fc.constant<Step>({ do: 'settle' }) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 5 }).map((limit): Step => ({ do: 'answer', limit })) },
);

async function perform(script: Script, steps: readonly Step[]): Promise<void> {
  for (const each of steps) {
    if (each.do === 'commit') script.commit();
    else if (each.do === 'old') script.repeat();
    else if (each.do === 'seqless') script.broadcast(0);
    else if (each.do === 'drain') script.drain();
    else if (each.do === 'answer') script.answer(each.limit);
    else await settle();
  }
}

/** Lets the feed catch up with everything. */
async function finish(script: Script): Promise<void> {
  while (script.draining !== null || script.reading !== null) {
    script.drain();
    await settle();
    script.answer(200);
    await settle();
  }
}

function shownSeqs(script: Script): number[] {
  return script.did
    .map((what) => /^(?:push|deliver) (\d+)$/.exec(what)?.[1])
    .filter((seq) => seq !== undefined && seq !== '0')
    .map(Number);
}

const scenario = fc.record({
  before: fc.integer({ min: 0, max: 20 }),
  waiting: fc.array(step, { maxLength: 5 }),
  behind: fc.integer({ min: 0, max: 20 }),
  running: fc.array(step, { maxLength: 40 }),
  late: fc.array(step, { maxLength: 10 }),
});

test('property: each seq after the cursor once and in order, whatever happens meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ before, waiting, behind, running, late }) => {
      const script = new Script();
      script.lastSeq = before;
      await perform(script, waiting);
      const cursor = Math.max(script.lastSeq - behind, 0);
      script.feed.start(cursor);
      await perform(script, running);
      await finish(script);
      expect(shownSeqs(script)).toEqual(range(cursor + 1, script.lastSeq));
      await perform(script, late);
      await finish(script);
      expect(shownSeqs(script)).toEqual(range(cursor + 1, script.lastSeq));
      const besideLog = [...waiting, ...running, ...late].filter((each) => each.do === 'seqless');
      expect(script.did.filter((what) => what === 'deliver 0')).toHaveLength(besideLog.length);
    }),
    { numRuns: 300 },
  );
});

test('property: ended at any point, it has shown a gapless beginning and shows no more', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ before, behind, running, late }) => {
      const script = new Script();
      script.lastSeq = before;
      const cursor = Math.max(before - behind, 0);
      script.feed.start(cursor);
      await perform(script, running);
      script.feed.end();
      const shown = shownSeqs(script);
      expect(shown).toEqual(range(cursor + 1, cursor + shown.length));
      await perform(script, late);
      await finish(script);
      expect(shownSeqs(script)).toEqual(shown);
      expect(script.did.filter((what) => what === 'release')).toEqual(['release']);
    }),
    { numRuns: 200 },
  );
});
