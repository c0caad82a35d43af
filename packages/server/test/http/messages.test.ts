import { appendReplySchema, historyReplySchema, type Message } from '@fleetlm/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, expectProblem, type HttpFixture, startHttpFixture } from './http-fixture.ts';

const absentMessageId = '01JZZZZZZZZZZZZZZZZZZZZZZZ';

let fixture: HttpFixture;
let session: string;

beforeAll(async () => {
  fixture = await startHttpFixture();
  await fixture.addParticipants('user:alice', 'user:bob', 'user:carol', 'agent:helper');
});

beforeEach(async () => {
  session = await fixture.addSession('user:alice', 'user:bob');
});

afterAll(() => fixture[Symbol.asyncDispose]());

describe('POST /api/sessions/:id/messages', () => {
  test('stores a message of a member that calls as itself', async () => {
    const content = { text: 'häl\nlo 🙂', constructor: 1, nested: [{ deep: null }] };
    const body = { content, metadata: { a: 1.5 }, client_id: 'c-1', unknown: true };
    const answer = await append(body, 'user:alice');
    expect(answer.status).toBe(200);
    const { message, deduplicated } = appendReplySchema.strict().parse(answer.body);
    expect(deduplicated).toBe(false);
    expect(message).toEqual({
      id: expect.any(String),
      session_id: session,
      seq: 1,
      sender_id: 'user:alice',
      kind: 'text',
      content,
      metadata: { a: 1.5 },
      client_id: 'c-1',
      inserted_at: expect.any(String),
    });
    expect(await history('')).toEqual([message]);
  });

  test('stores a message for the member that the service names; null counts as absent', async () => {
    const body = { sender_id: 'user:bob', kind: null, content: {}, metadata: null, client_id: null };
    const { message } = appendReplySchema.strict().parse((await append(body)).body);
    expect(message).toMatchObject({ sender_id: 'user:bob', kind: 'text', content: {}, metadata: {} });
    expect(message).not.toHaveProperty('client_id');
  });

  test('the service sends system messages, an agent assistant ones', async () => {
    const said = await append({ kind: 'system', content: { text: 'welcome' } });
    expect(said.body.message).toMatchObject({ kind: 'system', sender_id: 'system:fleetlm' });
    session = await fixture.addSession('user:alice', 'agent:helper');
    const answered = await append({ kind: 'assistant', content: {} }, 'agent:helper');
    expect(answered.body.message).toMatchObject({ kind: 'assistant', seq: 1 });
  });

  test('a client_id stores once', async () => {
    const body = { content: { text: 'once', more: 1 }, client_id: 'retry' };
    const first = await append(body, 'user:alice');
    const retried = await append({ ...body, content: { more: 1, text: 'once' } }, 'user:alice');
    expect(retried.status).toBe(200);
    expect(retried.body).toEqual({ message: first.body.message, deduplicated: true });
    const before = await fixture.stored();
    expectProblem(await append({ ...body, content: {} }, 'user:alice'), 'client_id_conflict');
    expect(await fixture.stored()).toEqual(before);
  });

  test.each(['closed', 'archived'])('refuses a session that is %s', async (status) => {
    await append({ content: {}, client_id: 'before' }, 'user:alice');
    await fixture.call('PATCH', `/api/sessions/${session}`, { body: { status } });
    await refuses({ content: {} }, 'session_closed', 'user:alice');
    // The retry of a stored one still succeeds.
    const retried = await append({ content: {}, client_id: 'before' }, 'user:alice');
    expect(retried.body.deduplicated).toBe(true);
  });

  test('refuses senders', async () => {
    await refuses({ content: {}, sender_id: 'user:bob' }, 'forbidden', 'user:alice');
    await refuses({ content: {}, sender_id: 'user:carol' }, 'not_a_member');
    await refuses({ content: {}, sender_id: 'user:nobody' }, 'not_a_member');
    await refuses({ content: {} }, 'invalid_request');
    await refuses({ content: {}, kind: 'system' }, 'forbidden', 'user:alice');
    await refuses({ content: {}, kind: 'assistant' }, 'invalid_request', 'user:alice');
  });

  test('a disabled participant is refused, by whomever it is named', async () => {
    await fixture.addParticipants('user:gone');
    session = await fixture.addSession('user:alice', 'user:gone');
    await fixture.call('PUT', '/api/participants/user:gone', { body: { status: 'disabled' } });
    await refuses({ content: {} }, 'participant_disabled', 'user:gone');
    await refuses({ content: {}, sender_id: 'user:gone' }, 'participant_disabled');
  });

  test('names every bad field', async () => {
    const before = await fixture.stored();
    const answer = await append({ content: 'x', metadata: 1, kind: 'shout', client_id: '', sender_id: 3 });
    const idHint = 'must be 1 to 128 characters without control characters';
    expectProblem(answer, 'invalid_request', {
      kind: ['must be one of text, system, tool_call, assistant'],
      content: ['must be an object'],
      metadata: ['must be an object'],
      sender_id: [idHint],
      client_id: [idHint],
    });
    expectProblem(await append({}), 'invalid_request', { content: ['must be an object'] });
    expect(await fixture.stored()).toEqual(before);
  });

  async function refuses(body: object, code: Parameters<typeof expectProblem>[1], as?: string) {
    const before = await fixture.stored();
    expectProblem(await append(body, as), code);
    expect(await fixture.stored()).toEqual(before);
  }
});

describe('GET /api/sessions/:id/messages', () => {
  beforeEach(async () => {
    for (let index = 1; index <= 12; index += 1) await append({ content: { index } }, 'user:alice');
  });

  test('without a cursor: the newest, ascending', async () => {
    const page = await readPage('');
    expect(seqs(page.messages)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(page).toMatchObject({ has_more_before: false, has_more_after: false, last_seq: 12 });
    const newest = await readPage('?limit=3', 'user:bob');
    expect(seqs(newest.messages)).toEqual([10, 11, 12]);
    expect(newest).toMatchObject({ has_more_before: true, has_more_after: false, last_seq: 12 });
  });

  test('pages through completely, in both directions', async () => {
    const forward: number[] = [];
    for (let page = await readPage('?after_seq=0&limit=5'); ; ) {
      forward.push(...seqs(page.messages));
      if (!page.has_more_after) break;
      page = await readPage(`?after_seq=${forward.at(-1)}&limit=5`);
    }
    const backward: number[] = [];
    for (let page = await readPage('?limit=5'); ; ) {
      backward.unshift(...seqs(page.messages));
      if (!page.has_more_before) break;
      page = await readPage(`?before_seq=${backward[0]}&limit=5`);
    }
    expect(forward).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(backward).toEqual(forward);
  });

  test('after_id reads on from a message', async () => {
    const { messages } = await readPage('');
    const page = await readPage(`?after_id=${messages[9]!.id}`);
    expect(seqs(page.messages)).toEqual([11, 12]);
  });

  test('a cursor beyond the end reads as the end', async () => {
    expect(await readPage('?after_seq=99')).toEqual({
      messages: [],
      has_more_before: true,
      has_more_after: false,
      last_seq: 12,
    });
    expect(seqs((await readPage('?before_seq=9007199254740991&limit=1')).messages)).toEqual([12]);
  });

  test('a page shows what the append was answered with', async () => {
    const sent = await rawAppend('{"content":{"z":1,"a":"\\u00e9\\/"}}');
    const page = await fetch(`${fixture.url}/api/sessions/${session}/messages?after_seq=12`);
    expect(JSON.parse(await page.text()).messages).toEqual([JSON.parse(sent).message]);
  });

  test.each([
    ['limit=abc', { limit: ['must be an integer'] }],
    ['limit=0', { limit: ['must be at least 1'] }],
    ['limit=201', { limit: ['must be at most 200'] }],
    ['limit=-1', { limit: ['must be at least 1'] }],
    ['after_seq=1.5', { after_seq: ['must be an integer'] }],
    ['after_seq=-1', { after_seq: ['must not be negative'] }],
    ['before_seq=0x10', { before_seq: ['must be an integer'] }],
    ['before_seq=9007199254740993', { before_seq: ['must be an integer'] }],
    ['after_id=nonsense', { after_id: ['must be a message id'] }],
    [`after_id=${absentMessageId}`, { after_id: ['is not a message of this session'] }],
    [`after_id=${absentMessageId}&after_seq=1`, { after_id: ['must be left out when after_seq is given'] }],
  ])('?%s is refused', async (query, errors) => {
    const answer = await fixture.get(`/api/sessions/${session}/messages?${query}`);
    expectProblem(answer, 'invalid_request', errors);
  });

  async function rawAppend(body: string): Promise<string> {
    const response = await fetch(`${fixture.url}/api/sessions/${session}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8', 'x-participant-id': 'user:alice' },
      body,
    });
    return response.text();
  }
});

function append(body: unknown, as?: string): Promise<Answer> {
  return fixture.post(`/api/sessions/${session}/messages`, body, as);
}

async function readPage(query: string, as?: string) {
  const answer = await fixture.get(`/api/sessions/${session}/messages${query}`, as);
  expect(answer.status).toBe(200);
  return historyReplySchema.strict().parse(answer.body);
}

async function history(query: string): Promise<Message[]> {
  return (await readPage(query)).messages;
}

function seqs(messages: readonly Message[]): number[] {
  return messages.map(({ seq }) => seq);
}
