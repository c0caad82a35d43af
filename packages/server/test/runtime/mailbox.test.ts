import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Mailbox } from '../../src/runtime/mailbox.ts';

/** A mailbox of three whose receiver takes as long, and fails, as the message says. */
class Fixture {
  readonly mailbox = new Mailbox<string>({
    capacity: 3,
    receive: (message) => this.#receive(message),
    onError: (error) => this.did.push(`error: ${(error as Error).message}`),
  });
  readonly did: string[] = [];
  #pending: PromiseWithResolvers<void> | null = null;

  /** Lets the receiver that is at work be done, or fail. */
  async finish(error?: Error): Promise<void> {
    if (error) this.#pending?.reject(error);
    else this.#pending?.resolve();
    this.#pending = null;
    await settle();
  }

  #receive(message: string): void | Promise<void> {
    this.did.push(message);
    if (message === 'throw') throw new Error('thrown');
    if (!message.startsWith('slow')) return;
    this.#pending = Promise.withResolvers();
    return this.#pending.promise;
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const states = {
  paused: async () => {},
  'paused and full': async ({ mailbox }: Fixture) => {
    for (const message of ['1', '2', '3']) mailbox.post(message);
  },
  'open and idle': async ({ mailbox }: Fixture) => mailbox.open(),
  'at work': async ({ mailbox }: Fixture) => {
    mailbox.open();
    mailbox.post('slow 0');
  },
  'at work and full': async ({ mailbox }: Fixture) => {
    mailbox.open();
    for (const message of ['slow 0', '1', '2', '3']) mailbox.post(message);
  },
  ended: async ({ mailbox }: Fixture) => {
    mailbox.open();
    mailbox.end();
  },
  'ended at work': async (fixture: Fixture) => {
    fixture.mailbox.open();
    for (const message of ['slow 0', '1']) fixture.mailbox.post(message);
    fixture.mailbox.end();
  },
  'ended by an error': async ({ mailbox }: Fixture) => {
    mailbox.open();
    mailbox.post('throw');
  },
};
type StateName = keyof typeof states;

const events = {
  open: async ({ mailbox }: Fixture) => mailbox.open(),
  post: async ({ mailbox, did }: Fixture) => void did.push(mailbox.post('x') ? 'taken' : 'refused'),
  'post of a failing one': async ({ mailbox, did }: Fixture) =>
    void did.push(mailbox.post('throw') ? 'taken' : 'refused'),
  'the receiver is done': (fixture: Fixture) => fixture.finish(),
  'the receiver fails': (fixture: Fixture) => fixture.finish(new Error('late')),
  end: async ({ mailbox }: Fixture) => mailbox.end(),
};
type EventName = keyof typeof events;

const table: Record<StateName, Partial<Record<EventName, string[]>>> = {
  paused: { open: [], post: ['taken'], 'post of a failing one': ['taken'] },
  'paused and full': { open: ['1', '2', '3'], post: ['refused'], 'post of a failing one': ['refused'] },
  'open and idle': {
    post: ['x', 'taken'],
    'post of a failing one': ['throw', 'error: thrown', 'taken'],
  },
  'at work': { post: ['taken'], 'post of a failing one': ['taken'], 'the receiver fails': ['error: late'] },
  'at work and full': {
    post: ['refused'],
    'post of a failing one': ['refused'],
    'the receiver is done': ['1', '2', '3'],
    'the receiver fails': ['error: late'],
  },
  ended: { post: ['refused'], 'post of a failing one': ['refused'] },
  'ended at work': {
    post: ['refused'],
    'post of a failing one': ['refused'],
    // Its owner hears of it, and knows that it has ended.
    'the receiver fails': ['error: late'],
  },
  'ended by an error': { post: ['refused'], 'post of a failing one': ['refused'] },
};

describe.each(Object.keys(states) as StateName[])('%s', (state) => {
  // It is opened once, by its owner's start.
  const applicable = (Object.keys(events) as EventName[]).filter(
    (event) => event !== 'open' || state.startsWith('paused'),
  );
  test.each(applicable)('%s', async (event) => {
    const fixture = new Fixture();
    await states[state](fixture);
    fixture.did.length = 0;
    await events[event](fixture);
    expect(fixture.did).toEqual(table[state][event] ?? []);
  });
});

test('after its end nothing more is handled, also not what waited', async () => {
  const fixture = new Fixture();
  fixture.mailbox.open();
  for (const message of ['slow 0', '1', '2']) fixture.mailbox.post(message);
  fixture.mailbox.end();
  await fixture.finish();
  expect(fixture.did).toEqual(['slow 0']);
});

test('a message posted by the receiver is handled after it, not inside it', () => {
  const did: string[] = [];
  const mailbox: Mailbox<number> = new Mailbox<number>({
    capacity: 5,
    receive: (n) => {
      did.push(`begin ${n}`);
      if (n < 3) mailbox.post(n + 1);
      did.push(`end ${n}`);
    },
    onError: () => {},
  });
  mailbox.open();
  mailbox.post(1);
  expect(did).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
});

test('property: what is taken is handled once, in order, one at a time', async () => {
  const step = fc.constantFrom('post', 'post slow', 'finish');
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.nat(10), async (steps, openAt) => {
      const fixture = new Fixture();
      const taken: string[] = [];
      for (const [index, each] of steps.entries()) {
        if (index === openAt) fixture.mailbox.open();
        const message = each === 'post slow' ? `slow ${index}` : String(index);
        if (each === 'finish') await fixture.finish();
        else if (fixture.mailbox.post(message)) taken.push(message);
      }
      if (steps.length <= openAt) fixture.mailbox.open();
      while (fixture.did.length < taken.length) await fixture.finish();
      expect(fixture.did).toEqual(taken);
    }),
    { numRuns: 200 },
  );
});
