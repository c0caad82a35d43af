import { RawSocket, startTestServer, type TestServer, waitUntil } from '@fleetlm/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';

let server: TestServer;
/** Statements that the pool has run, by name or first words. */
let queries: string[] = [];

beforeAll(async () => {
  server = await startTestServer({
    env: { FLEETLM_SESSION_IDLE_MS: '40' },
    overrides: {
      wrapDb: (db) => ({
        ...db,
        query: (statement, values) => {
          // Not what the node looks at by itself, again and again.
          if (/session$|^history|^inbox/.test(statement.name)) queries.push(statement.name);
          return db.query(statement, values);
        },
      }),
    },
  });
  for (const name of ['alice', 'bob'])
    await server.api('PUT', `/api/participants/user:${name}`, { body: {} });
});

afterAll(() => server[Symbol.asyncDispose]());

async function createSession(messages: number): Promise<string> {
  const { body } = await server.api('POST', '/api/sessions', {
    body: { initiator_id: 'user:alice', peer_id: 'user:bob' },
  });
  for (let index = 1; index <= messages; index++) await say(body.session.id, `${index}`);
  return body.session.id;
}

function say(id: string, text: string) {
  return server.api('POST', `/api/sessions/${id}/messages`, {
    as: 'user:alice',
    body: { content: { text } },
  });
}

/** Joins, leaves, and waits until the actors are passivated. Returns the join's response. */
async function visit(topic: string) {
  await using bob = await RawSocket.open(server.socketUrl('user:bob'));
  bob.send(['1', '1', topic, 'phx_join', {}]);
  const [, , , , { status, response }] = await bob.next((frame) => frame[1] === '1');
  expect(status).toBe('ok');
  await bob.close();
  await waitUntil(() => server.server.counts.sessions === 0 && server.server.counts.inboxes === 0);
  return response;
}

test('a session that comes back is read from memory', async () => {
  const id = await createSession(5);
  await visit(`session:${id}`);
  queries = [];
  const { messages } = await visit(`session:${id}`);
  expect(messages.map((message: { seq: number }) => message.seq)).toEqual([1, 2, 3, 4, 5]);
  expect(queries).toEqual(['read-session']);
});

test('but never stale: what was committed meanwhile is there, also behind our back', async () => {
  const id = await createSession(3);
  await visit(`session:${id}`);
  await say(id, '4');
  expect((await visit(`session:${id}`)).messages).toHaveLength(4);

  const otherNode = await startTestServer({ database: server.database });
  await otherNode.api('POST', `/api/sessions/${id}/messages`, {
    as: 'user:alice',
    body: { content: { text: 'from elsewhere' } },
  });
  await otherNode[Symbol.asyncDispose]();
  const { messages, last_seq } = await visit(`session:${id}`);
  expect(messages.at(-1).content).toEqual({ text: 'from elsewhere' });
  expect(last_seq).toBe(5);
});

test('an inbox that comes back reads no entry that has not changed, and every one that has', async () => {
  const [quiet, busy] = [await createSession(1), await createSession(1)];
  await visit('inbox:user:bob');
  queries = [];
  const before = await visit('inbox:user:bob');
  expect(queries).toEqual(['inbox-marks']);

  const client = new Client(server.database.target);
  await client.connect();
  await client.query(
    `update chat_sessions set metadata = '{"title":"new"}', version = version + 1 where id = $1`,
    [busy],
  );
  await client.end();
  queries = [];
  const after = await visit('inbox:user:bob');
  expect(queries).toEqual(['inbox-marks', 'inbox-entries']);
  const find = (snapshot: { conversations: { session_id: string }[] }, id: string) =>
    snapshot.conversations.find((conversation) => conversation.session_id === id);
  expect(find(after, busy)).toMatchObject({ metadata: { title: 'new' } });
  expect(find(after, quiet)).toEqual(find(before, quiet));
  const { body } = await server.api('GET', '/api/participants/user:bob/inbox');
  expect(after.conversations).toEqual(body.conversations);
});
