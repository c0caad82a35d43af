import type { SessionId } from '@fleetlm/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { alice, bob, createFixture, draft, type Fixture, stranger } from './fixtures.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
});

afterAll(() => fixture[Symbol.asyncDispose]());

describe('outcomes', () => {
  test('a stored message has the next seq, and the log holds it', async () => {
    const session = await fixture.session();
    const first = await fixture.append(draft(session, 'one'));
    const second = await fixture.append(draft(session, 'two', { senderId: bob }));

    expect(first).toMatchObject({ kind: 'stored', message: { seq: 1 } });
    expect(second).toMatchObject({ kind: 'stored', message: { seq: 2 } });
    expect(await fixture.log(session)).toEqual([
      [1, alice, { text: 'one' }],
      [2, bob, { text: 'two' }],
    ]);
  });

  test('the same client_id with equal content is a duplicate of the first, however its JSON is written', async () => {
    const session = await fixture.session();
    const key = { clientId: 'k', contentJson: '{"a":1,"b":[2]}' };
    const first = await fixture.append(draft(session, '', key));
    const second = await fixture.append(draft(session, '', { ...key, contentJson: '{"b":[2],"a":1.0}' }));

    expect(first.kind).toBe('stored');
    expect(second).toMatchObject({ kind: 'duplicate', lastSeq: 1, message: { seq: 1 } });
    expect(second.kind === 'duplicate' && first.kind === 'stored' && second.message.fields.id).toBe(
      first.kind === 'stored' && first.message.fields.id,
    );
  });

  test.each([
    ['content', { contentJson: '{"text":"other"}' }],
    ['metadata', { metadataJson: '{"other":true}' }],
    ['kind', { kind: 'tool_call' as const }],
  ])(
    'the same client_id with another %s is a conflict, and the stored message stays',
    async (_field, other) => {
      const session = await fixture.session();
      await fixture.append(draft(session, 'one', { clientId: 'k' }));

      expect(await fixture.append(draft(session, 'one', { clientId: 'k', ...other }))).toEqual({
        kind: 'conflict',
      });
      expect(await fixture.log(session)).toEqual([[1, alice, { text: 'one' }]]);
    },
  );

  test('client_ids of other senders and sessions are other messages', async () => {
    const [one, two] = [await fixture.session(), await fixture.session()];
    const outcomes = [
      await fixture.append(draft(one, 'x', { clientId: 'k' })),
      await fixture.append(draft(one, 'x', { clientId: 'k', senderId: bob })),
      await fixture.append(draft(two, 'x', { clientId: 'k' })),
    ];
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(['stored', 'stored', 'stored']);
  });

  test('an unknown session, a stranger and a closed session are told apart', async () => {
    const session = await fixture.session();
    const absent = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as SessionId;
    expect(await fixture.append(draft(absent, 'x'))).toEqual({ kind: 'session_not_found' });
    expect(await fixture.append(draft(session, 'x', { senderId: stranger }))).toEqual({
      kind: 'not_a_member',
    });
    await fixture.db.kysely
      .updateTable('chat_sessions')
      .set({ status: 'closed' })
      .where('id', '=', session)
      .execute();
    expect(await fixture.append(draft(session, 'x'))).toEqual({ kind: 'session_closed' });
    expect(await fixture.log(session)).toEqual([]);
  });

  test('data that Postgres refuses fails alone in its batch', async () => {
    const session = await fixture.session();
    const texts = Array.from({ length: 20 }, (_, index) => `"${index}"`);
    texts[7] = '"not JSON';
    texts[13] = 'tru';
    const outcomes = await Promise.all(
      texts.map((text) => fixture.append(draft(session, '', { contentJson: `{"text":${text}}` }))),
    );
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(
      texts.map((_, index) => (index === 7 || index === 13 ? 'invalid' : 'stored')),
    );
    expect((await fixture.log(session)).map(([seq]) => seq)).toEqual(
      Array.from({ length: 18 }, (_, index) => index + 1),
    );
  });

  test('a system message needs no membership', async () => {
    const session = await fixture.session();
    const outcome = await fixture.append(draft(session, 'x', { senderId: stranger, bypassMembership: true }));
    expect(outcome.kind).toBe('stored');
  });
});

describe('one client_id in flight twice', () => {
  test('the second takes the result of the first', async () => {
    const session = await fixture.session();
    const same = draft(session, 'x', { clientId: 'k' });
    const outcomes = await Promise.all([fixture.append(same), fixture.append(same), fixture.append(same)]);
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(['stored', 'duplicate', 'duplicate']);
  });

  test('other content is a conflict', async () => {
    const session = await fixture.session();
    const outcomes = await Promise.all([
      fixture.append(draft(session, 'x', { clientId: 'k' })),
      fixture.append(draft(session, 'y', { clientId: 'k' })),
    ]);
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(['stored', 'conflict']);
  });

  test('if the first was not stored, the second has its own turn', async () => {
    const session = await fixture.session();
    const outcomes = await Promise.all([
      fixture.append(draft(session, '', { clientId: 'k', contentJson: '{"text":' })),
      fixture.append(draft(session, 'y', { clientId: 'k' })),
      fixture.append(draft(session, 'y', { clientId: 'k' })),
    ]);
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(['invalid', 'stored', 'duplicate']);
  });
});
