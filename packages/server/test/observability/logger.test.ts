import {
  addGroup,
  addParticipants,
  ChannelClient,
  RawSocket,
  signToken,
  startTestServer,
  type TestDatabase,
  type TestServer,
  testSecret,
  waitUntil,
} from '@fleetlm/testkit';
import { Client, type DatabaseError } from 'pg';
import { beforeEach, describe, expect, test } from 'vitest';
import { createLogger } from '../../src/observability/logger.ts';

/** What must not be found again. */
const hush = 'hush-4711';

let lines: string[];
const destination = { write: (line: string) => void lines.push(line) };

beforeEach(() => {
  lines = [];
});

/** Each thing that was written is one line of JSON. */
function parsedLines(): Record<string, unknown>[] {
  return lines.map((line) => {
    expect(line.indexOf('\n')).toBe(line.length - 1);
    return JSON.parse(line);
  });
}

describe('a line', () => {
  test('is one line of JSON, whatever is in it', () => {
    const log = createLogger({ level: 'info' }, destination);
    const forged = 'a\r\n{"level":60,"msg":"forged"}\u2028';
    log.error({ err: new Error(forged), path: forged }, forged);
    const [line] = parsedLines();
    expect(line).toMatchObject({ msg: forged, path: forged, err: { message: forged } });
  });

  test('holds no secret, even if somebody hands one over', () => {
    const log = createLogger({ level: 'info' }, destination);
    log.info({ token: hush, password: hush, user: 'me' }, 'flat');
    log.info({ headers: { authorization: hush, cookie: hush }, auth: { jwt: { secret: hush } } }, 'nested');
    expect(lines.join()).not.toContain(hush);
    expect(parsedLines()[0]).toMatchObject({ user: 'me', token: '[Redacted]' });
  });

  test('tells of an error what happened, not to whose data', () => {
    const log = createLogger({ level: 'info' }, destination);
    const cause = Object.assign(new Error('refused'), { code: '23514', detail: hush, where: hush });
    log.error({ err: new Error('failed', { cause }) }, 'failed');
    expect(lines.join()).not.toContain(hush);
    expect(parsedLines()[0]).toMatchObject({ err: { cause: { message: 'refused', code: '23514' } } });
  });
});

test('S28: what callers send leaves no trace in the log', async () => {
  const log = createLogger({ level: 'trace' }, destination);
  await using server = await startTestServer({ env: { FLEETLM_JWT_SECRET: testSecret }, overrides: { log } });
  const token = await signToken({ sub: 'backend', role: 'service' });
  const asService: Pick<TestServer, 'api'> = {
    api: (method, path, options) => server.api(method, path, { token, ...options }),
  };
  await addParticipants(asService, 'user:a', 'user:b');
  const sessionId = await addGroup(asService, 'user:a', 'user:b');
  await refuseHushed(server.database);

  await server.api('GET', `/api/sessions?token=${hush}`);
  await server.api('GET', '/api/sessions', { token: hush });
  await asService.api('POST', '/api/sessions', { body: `no object, but ${hush}` });
  await RawSocket.open(`${server.socketUrl()}?token=${hush}`).catch(() => {});
  const named = await asService.api('PUT', '/api/participants/user:a', { body: { display_name: hush } });
  expect(named.status).toBe(500);
  await using client = await ChannelClient.open(`${server.socketUrl()}?token=${token}`);
  await client.join(`session:${sessionId}`);
  const content = { sender_id: 'user:a', content: { content: { text: hush } } };
  expect((await client.push(`session:${sessionId}`, 'send', content)).status).toBe('error');
  await client.push(`session:${sessionId}`, hush, { text: hush });

  const messages = () => parsedLines().map(({ msg }) => msg);
  const expected = ['token refused', 'request failed', 'append attempt failed', 'request'];
  await waitUntil(() => expected.every((message) => messages().includes(message)));
  for (const secret of [hush, token, testSecret]) expect(lines.join()).not.toContain(secret);
});

/** From now on Postgres refuses rows with the marker, and quotes them in the details of its errors. */
async function refuseHushed({ target }: TestDatabase): Promise<void> {
  const client = new Client(target);
  await client.connect();
  await client.query(`alter table participants add check (display_name <> '${hush}')`);
  await client.query(`alter table chat_messages add check (content::text not like '%${hush}%')`);
  const failed = await client
    .query('insert into participants (id, kind, display_name) values ($1, $2, $3)', ['user:c', 'user', hush])
    .catch((error: DatabaseError) => error.detail);
  expect(failed).toContain(hush);
  await client.end();
}
