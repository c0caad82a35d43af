import type { MessageId, ParticipantId, SessionId } from '@fleetlm/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type InboxEntry, unreadCount } from '../../src/conversation/inbox/inbox-entry.ts';
import { StoredMessage } from '../../src/conversation/stored-message.ts';
import { InboxActivity, type ReadMoved } from '../../src/inbox/inbox-activity.ts';
import { type Folded, InboxView, maxViewEntries } from '../../src/inbox/inbox-view.ts';
import { range, sessionId } from '../sessions/fixtures.ts';

const me = 'user:me' as ParticipantId;
const ann = 'user:ann' as ParticipantId;
const bob = 'user:bob' as ParticipantId;

function messageId(seq: number): MessageId {
  return `id-${seq}` as MessageId;
}

function timeOf(seq: number): string {
  return new Date(Date.UTC(2026, 0, 1) + seq * 1_000).toISOString();
}

function message(seq: number, senderId: ParticipantId): StoredMessage {
  return new StoredMessage({
    id: messageId(seq),
    sessionId,
    seq: seq as StoredMessage['seq'],
    senderId,
    kind: 'text',
    contentJson: JSON.stringify({ text: `text ${seq}` }),
    metadataJson: '{}',
    clientId: null,
    insertedAt: timeOf(seq),
  });
}

function cursor(seq: number): InboxEntry['initiatorRead'] {
  return { seq, messageId: messageId(seq), at: timeOf(seq) };
}

/** A direct session of ann and me, at seq 5: I said 2 and 4, and have read up to 3. */
function entry(more: Partial<InboxEntry> = {}): InboxEntry {
  return {
    sessionId,
    kind: 'human_dm',
    status: 'open',
    metadata: {},
    version: 1,
    initiatorId: ann,
    peerId: me,
    agentId: null,
    lastSeq: 5,
    lastMessageId: messageId(5),
    lastMessageAt: timeOf(5),
    preview: 'text 5',
    initiatorRead: cursor(4),
    peerRead: cursor(3),
    lastReadSeq: 3,
    ownSent: 2,
    ownSentThroughRead: 1,
    activityAt: timeOf(5),
    ...more,
  };
}

function viewOf(...entries: InboxEntry[]): InboxView {
  const view = new InboxView(me);
  for (const each of entries) view.put(each);
  return view;
}

function said(...messages: (readonly [seq: number, sender: ParticipantId])[]): InboxActivity {
  const activity = new InboxActivity(sessionId);
  for (const [seq, sender] of messages) activity.addMessage(message(seq, sender));
  return activity;
}

function read(participantId: ParticipantId, seq: number, ownSentThroughRead = 0): InboxActivity {
  const activity = new InboxActivity(sessionId);
  activity.addRead({ participantId, cursor: cursor(seq), ownSentThroughRead });
  return activity;
}

function changed(): InboxActivity {
  const activity = new InboxActivity(sessionId);
  activity.mustReload = true;
  return activity;
}

/** What a session at seq 5 with one unread message becomes. */
const folds: Record<string, [InboxActivity, Folded, { lastSeq?: number; unread?: number }]> = {
  'the next message': [said([6, ann]), 'changed', { lastSeq: 6, unread: 2 }],
  'my own next message': [said([6, me]), 'changed', { lastSeq: 6, unread: 1 }],
  'several in a row': [said([6, ann], [7, me], [8, ann]), 'changed', { lastSeq: 8, unread: 3 }],
  'some that are known, some new': [said([4, me], [5, ann], [6, ann]), 'changed', { lastSeq: 6, unread: 2 }],
  'known ones with an own one': [said([4, me], [5, ann], [6, me]), 'changed', { lastSeq: 6, unread: 1 }],
  'the newest once more': [said([5, ann]), 'unchanged', {}],
  'an old one': [said([2, me]), 'unchanged', {}],
  'one after a gap': [said([7, ann]), 'reload', {}],
  'a gap among them': [said([6, ann], [8, ann]), 'reload', {}],
  'an old one after a new one': [said([6, ann], [5, ann]), 'reload', {}],
  'a change of the session': [changed(), 'reload', {}],
  'my own read to the end': [read(me, 5, 2), 'changed', { unread: 0 }],
  'my own read of something': [read(me, 4, 2), 'changed', { unread: 1 }],
  'my own read, repeated': [read(me, 3, 1), 'unchanged', {}],
  'my own older read': [read(me, 1, 0), 'unchanged', {}],
  "the other one's read": [read(ann, 5), 'changed', { unread: 1 }],
  "the other one's older read": [read(ann, 2), 'unchanged', {}],
  "a third one's read": [read(bob, 5), 'unchanged', {}],
  'a read of what is not known yet': [read(me, 9, 4), 'changed', { unread: 0 }],
  nothing: [new InboxActivity(sessionId), 'unchanged', {}],
};

describe('folding into a session at seq 5', () => {
  test.each(Object.entries(folds))('%s', (_, [activity, outcome, expected]) => {
    const view = viewOf(entry());
    const before = view.get(sessionId)!;
    expect(view.fold(activity)).toBe(outcome);
    const after = view.get(sessionId)!;
    expect(after === before).toBe(outcome !== 'changed');
    expect({ lastSeq: after.lastSeq, unread: unreadCount(after) }).toEqual({
      lastSeq: 5,
      unread: 1,
      ...expected,
    });
  });

  test('the newest message is the one that is shown', () => {
    const view = viewOf(entry());
    view.fold(said([6, ann], [7, me]));
    expect(view.get(sessionId)).toMatchObject({
      lastMessageId: messageId(7),
      lastMessageAt: timeOf(7),
      preview: 'text 7',
      activityAt: timeOf(7),
      ownSent: 3,
    });
  });

  test('reads move the cursors of initiator and peer that are shown', () => {
    const view = viewOf(entry());
    view.fold(read(ann, 5));
    view.fold(read(me, 5, 2));
    expect(view.get(sessionId)).toMatchObject({
      initiatorRead: cursor(5),
      peerRead: cursor(5),
      lastReadSeq: 5,
    });
  });

  test('in a group there is no peer', () => {
    const view = viewOf(
      entry({ kind: 'group', peerId: null, peerRead: { seq: 0, messageId: null, at: null } }),
    );
    view.fold(read(me, 5, 2));
    expect(view.get(sessionId)).toMatchObject({ peerRead: { seq: 0 }, lastReadSeq: 5 });
  });

  test('a session that is not shown is read', () => {
    expect(viewOf().fold(said([1, ann]))).toBe('reload');
  });
});

describe('an activity', () => {
  test('keeps the newest cursor of each reader', () => {
    const activity = read(me, 4);
    for (const [who, seq] of [
      [me, 3],
      [ann, 2],
      [me, 5],
      [ann, 1],
    ] as const) {
      activity.addRead({ participantId: who, cursor: cursor(seq), ownSentThroughRead: 0 });
    }
    expect(
      [...activity.reads.values()].map(({ participantId, cursor: { seq } }) => [participantId, seq]),
    ).toEqual([
      [me, 5],
      [ann, 2],
    ]);
  });

  test('knows from where to where its messages go', () => {
    const activity = said([6, ann], [7, me]);
    expect([activity.firstSeq, activity.lastSeq, activity.newest?.seq]).toEqual([6, 7, 7]);
    expect(activity.mustReload).toBe(false);
  });
});

describe('which sessions are shown', () => {
  function session(n: number, activityAt = timeOf(n)): InboxEntry {
    return entry({
      sessionId: `session-${String(n).padStart(4, '0')}` as SessionId,
      activityAt,
      lastMessageAt: null,
    });
  }
  const idsOf = (view: InboxView) => view.entries().map((each) => Number(each.sessionId.slice(-4)));

  test('the newest activity first; of the same time the greater id', () => {
    const view = viewOf(session(1), session(3), session(2), session(7, timeOf(2)));
    expect(idsOf(view)).toEqual([3, 7, 2, 1]);
  });

  test('the last message counts when the activity is not written yet', () => {
    const view = viewOf(session(2), { ...session(1), lastMessageAt: timeOf(9) });
    expect(idsOf(view)).toEqual([1, 2]);
    expect(viewOf({ ...session(5), lastMessageAt: timeOf(1) }, session(4)).entries()[0]?.activityAt).toBe(
      timeOf(5),
    );
  });

  test('the oldest makes room, which may be the one that was put', () => {
    const view = viewOf(...range(1, maxViewEntries).map((n) => session(n)));
    expect(view.put(session(maxViewEntries + 1))).toEqual([session(1).sessionId]);
    expect(view.put(session(1))).toEqual([session(1).sessionId]);
    expect(view.put(session(5))).toEqual([]);
    expect(idsOf(view)).toEqual(range(2, maxViewEntries + 1).reverse());
  });

  test('it is short when many were removed and there are more', () => {
    const complete = viewOf(...range(1, 200).map((n) => session(n)));
    const truncated = viewOf(...range(1, 201).map((n) => session(n)));
    for (const view of [complete, truncated]) {
      for (const n of range(2, 51)) expect(view.remove(session(n).sessionId)).toBe(true);
      expect(view.isShort).toBe(false);
      view.remove(session(52).sessionId);
      expect(view.remove(session(52).sessionId)).toBe(false);
    }
    expect([complete.isShort, truncated.isShort]).toEqual([false, true]);
  });
});

/** A history of one session, and the simplest program that says what should be shown of it. */
class Log {
  readonly senders: ParticipantId[] = [];
  readonly cursors = new Map<ParticipantId, number>();
  readonly activities: InboxActivity[] = [];

  say(senders: readonly ParticipantId[]): void {
    const activity = new InboxActivity(sessionId);
    for (const sender of senders) {
      this.senders.push(sender);
      activity.addMessage(message(this.senders.length, sender));
    }
    this.activities.push(activity);
  }

  read(reader: ParticipantId, seq: number): void {
    const reached = Math.max(this.cursorOf(reader), Math.min(seq, this.senders.length));
    this.cursors.set(reader, reached);
    const moved: ReadMoved = {
      participantId: reader,
      cursor: cursor(reached),
      ownSentThroughRead: this.#ownSent(reader, reached),
    };
    const activity = new InboxActivity(sessionId);
    activity.addRead(moved);
    this.activities.push(activity);
  }

  /** As Postgres would give the entry now. */
  entry(): InboxEntry {
    const [lastSeq, lastReadSeq] = [this.senders.length, this.cursorOf(me)];
    return entry({
      lastSeq,
      lastMessageId: lastSeq === 0 ? null : messageId(lastSeq),
      lastMessageAt: lastSeq === 0 ? null : timeOf(lastSeq),
      preview: lastSeq === 0 ? null : `text ${lastSeq}`,
      initiatorRead: this.#shown(ann),
      peerRead: this.#shown(me),
      lastReadSeq,
      ownSent: this.#ownSent(me, lastSeq),
      ownSentThroughRead: this.#ownSent(me, lastReadSeq),
      activityAt: lastSeq === 0 ? timeOf(0) : timeOf(lastSeq),
    });
  }

  unread(): number {
    return this.senders.filter((sender, index) => sender !== me && index + 1 > this.cursorOf(me)).length;
  }

  cursorOf(reader: ParticipantId): number {
    return this.cursors.get(reader) ?? 0;
  }

  #shown(reader: ParticipantId): InboxEntry['initiatorRead'] {
    const seq = this.cursorOf(reader);
    return seq === 0 ? { seq: 0, messageId: null, at: null } : cursor(seq);
  }

  #ownSent(sender: ParticipantId, upTo: number): number {
    return this.senders.slice(0, upTo).filter((each) => each === sender).length;
  }
}

const someone = fc.constantFrom(me, ann, bob);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ say: fc.array(someone, { minLength: 1, maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ reader: someone, seq: fc.nat(40) }) },
);

test('property: in whatever order and however often activities come, the view ends as a recount says', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 12 }),
      fc.nat(12),
      fc.infiniteStream(fc.nat(1_000)),
      (steps, loadedAfter, numbers) => {
        const log = new Log();
        const view = new InboxView(me);
        view.put(log.entry());
        for (const [index, each] of steps.entries()) {
          if ('say' in each) log.say(each.say);
          else log.read(each.reader, each.seq);
          // Loaded somewhere in the middle: what came before comes again.
          if (index === loadedAfter) view.put(log.entry());
        }
        const next = () => numbers.next().value as number;
        const order = [...log.activities, ...log.activities.filter(() => next() % 3 === 0)]
          .map((activity) => ({ activity, key: next() }))
          .sort((one, other) => one.key - other.key);
        for (const { activity } of order) if (view.fold(activity) === 'reload') view.put(log.entry());
        const shown = view.get(sessionId)!;
        expect(shown).toEqual(log.entry());
        expect(unreadCount(shown)).toBe(log.unread());
      },
    ),
    { numRuns: 2_000 },
  );
});

test('property: in their order, every value on the way is that of its moment', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
      const log = new Log();
      const view = viewOf(log.entry());
      for (const each of steps) {
        if ('say' in each) log.say(each.say);
        else log.read(each.reader, each.seq);
        expect(view.fold(log.activities.at(-1)!)).not.toBe('reload');
        expect(view.get(sessionId)).toEqual(log.entry());
      }
    }),
    { numRuns: 500 },
  );
});
