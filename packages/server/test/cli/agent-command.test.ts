import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  addParticipants,
  RawHttpServer,
  repositoryRoot,
  SpawnedProcess,
  signToken,
  spawnFleetlm,
  startTestServer,
  type TestServer,
  testSecret,
} from '@fleetlm/testkit';
import { Client } from 'pg';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newSigningSecret } from '../../src/agents/webhook/signature.ts';
import { readCommandLine } from '../../src/cli/command-line.ts';
import { runCommand } from './command-fixture.ts';

const stream = [
  '{"type":"start"}',
  '{"type":"text-start","id":"1"}',
  '{"type":"text-delta","id":"1","delta":"Hi \\u001b[31mthere"}',
  '{"type":"text-end","id":"1"}',
  '{"type":"finish"}',
];

describe('fleetlm agent test', () => {
  let agent: RawHttpServer;

  beforeAll(async () => {
    agent = await RawHttpServer.start();
  });
  afterAll(() => agent[Symbol.asyncDispose]());
  beforeEach(() => {
    agent.answer = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n');
      socket.end(`${stream.join('\n')}\n`);
    };
  });

  test('prints chunk by chunk, and a verdict', async () => {
    await using child = spawnFleetlm(['agent', 'test', agent.url('/agent')]);
    expect(await child.exited).toEqual({ code: 0, signal: null });
    const lines = child.output
      .trimEnd()
      .replaceAll(/^ *\d+ ms/gm, 'ms')
      .split('\n');
    expect(lines).toEqual([
      `POST ${agent.url('/agent')}`,
      'ms  start',
      'ms  text-start  {"id":"1"}',
      'ms  text-delta  {"id":"1","delta":"Hi \\u001b[31mthere"}',
      'ms  text-end  {"id":"1"}',
      'ms  finish',
      expect.stringMatching(
        /^ok: 200 application\/x-ndjson, 5 chunks, the first after \d+ ms, all after \d+ ms$/,
      ),
    ]);
    expect(agent.requests.at(-1)!.head).toMatch(/webhook-signature: v1,/i);
  });

  test('ends without a word when nobody reads on', async () => {
    const { answer } = agent;
    agent.answer = (socket, request) => void setTimeout(() => answer(socket, request), 300);
    const bin = resolve(repositoryRoot, 'packages/server/bin/fleetlm.js');
    const command = `'${process.execPath}' '${bin}' agent test ${agent.url()} | head -1`;
    await using child = new SpawnedProcess('sh', ['-c', command]);
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(child.output).toBe(`POST ${agent.url()}\n`);
  });

  test('an agent that checks who calls is called with its own secret and token', async () => {
    const secret = newSigningSecret();
    const args = ['agent', 'test', agent.url(), '--secret', secret, '--bearer', 'tok', '--json'];
    expect((await runCommand(args)).code).toBe(0);
    const { head, body } = agent.requests.at(-1)!;
    expect(() => new Webhook(secret).verify(body, headersOf(head))).not.toThrow();
    expect(headersOf(head)['authorization']).toBe('Bearer tok');
  });

  test('a secret that nobody can sign with is refused', async () => {
    const { code, output } = await runCommand(['agent', 'test', agent.url(), '--secret', 'whsec_short']);
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/^fleetlm: --secret must be whsec_ and base64/),
    ]);
  });

  test('the ten lines of docs/agents.md are an agent', async () => {
    const page = await readFile(resolve(repositoryRoot, 'docs/agents.md'), 'utf8');
    const code = /```js\n(.*?)```/s.exec(page)![1]!;
    expect(code.trim().split('\n').length).toBeLessThanOrEqual(10);
    const listening = "listen(0, function () { console.log('port', this.address().port); })";
    const script = code.replace('listen(3000)', listening);
    await using own = new SpawnedProcess(process.execPath, ['--input-type=module', '-e', script]);
    const [, port] = await own.untilPrinted(/port (\d+)/);
    const { code: end, output } = await runCommand(['agent', 'test', `http://localhost:${port}`]);
    expect([end, output]).toEqual([0, expect.stringContaining('You said: Hello!')]);
  });

  test('--json prints the report alone', async () => {
    const { code, output } = await runCommand(['agent', 'test', agent.url(), '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(output).test).toMatchObject({
      ok: true,
      http_status: 200,
      chunks: 5,
      text: 'Hi \u001b[31mthere',
    });
  });

  test('messages of an agent that does not stream', async () => {
    const body = '{"messages":[{"content":{"text":"One"}},{"content":{"text":"Two"}}]}';
    agent.answer = (socket) =>
      socket.end(
        `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    const { code, output } = await runCommand(['agent', 'test', agent.url()]);
    expect([code, output.match(/ms {2}message {2}.*"(One|Two)"/g)?.length]).toEqual([0, 2]);
  });

  test('an agent that refuses: 1, with what it said, and nothing that a terminal would obey', async () => {
    agent.answer = (socket) => socket.end('HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\nno\x1b[2Jkey');
    const { code, output } = await runCommand(['agent', 'test', agent.url()]);
    expect(code).toBe(1);
    expect(output).toMatch(/^failed: server_error: answered 500$/m);
    expect(output).toMatch(/^ {2}it said: no \[2Jkey$/m);
  });

  test('nobody there: 1', async () => {
    const { code, output } = await runCommand(['agent', 'test', 'http://127.0.0.1:9/']);
    expect([code, output]).toEqual([1, expect.stringMatching(/^failed: connect_failed: ECONNREFUSED$/m)]);
  });

  test.each([
    ['10.0.0.1', /^fleetlm: 10.0.0.1 is refused \(not_a_url\): it must be an absolute URL/],
    ['https://10.0.0.1/', /is refused \(private\): .*FLEETLM_AGENT_ALLOWED_CIDRS/],
    ['ftp://x', /is refused \(scheme\): it must begin with https:\/\/, or with http:\/\/ for this machine/],
    ['localhost:3000', /is refused \(scheme\): /],
    ['http://agent.example/', /is refused \(plain_http\): .*use https/],
  ])('what no server would take is told: %s', async (url, message) => {
    expect(await runCommand(['agent', 'test', url])).toEqual({
      code: 1,
      output: expect.stringMatching(message),
    });
  });
});

describe('fleetlm agent turns, and redeliver', () => {
  const env = { FLEETLM_JWT_SECRET: testSecret };
  const sessionId = '01K1J8Z0000000000000000000';
  const dead = '01K1J8Z6WR0000000000000000';
  let server: TestServer;
  let token: string;

  beforeAll(async () => {
    server = await startTestServer({ env });
    token = await signToken({ sub: 'backend', role: 'service' });
    const backend: Pick<TestServer, 'api'> = {
      api: (method, path, options) => server.api(method, path, { token, ...options }),
    };
    await addParticipants(backend, 'agent:a', 'agent:b/c', 'user:a');
    const body = { origin_url: 'https://agent.example/', status: 'disabled' };
    await backend.api('PUT', '/api/agents/agent:a/endpoint', { body });
    const client = new Client(server.database.target);
    await client.connect();
    await client.query(`
      insert into agent_turns (id, agent_id, session_id, from_seq, to_seq, hop, status, attempt, error) values
        ('${dead}', 'agent:a', '${sessionId}', 1, 3, 1, 'dead', 4, E'server_error: answered\\n503'),
        ('01K1J8Z6WR0000000000000001', 'agent:b/c', '${sessionId}', 2, 2, 1, 'completed', 1, null)`);
    await client.end();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  function run(...args: readonly string[]) {
    return runCommand(['agent', ...args, '--url', server.url], { ...env, FLEETLM_TOKEN: token });
  }

  test('a table of all agents’ turns', async () => {
    const { code, output } = await run('turns');
    expect(code).toBe(0);
    expect(
      output
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ {2,}/)),
    ).toEqual([
      ['TURN', 'STATUS', 'AGENT', 'SESSION', 'MESSAGES', 'ATTEMPT', 'ERROR'],
      [dead, 'dead', 'agent:a', sessionId, '1–3', '4', 'server_error: answered 503'],
      ['01K1J8Z6WR0000000000000001', 'completed', 'agent:b/c', sessionId, '2', '1'],
    ]);
  });

  test('of one agent, of one status, as JSON', async () => {
    const ids = async (...args: readonly string[]) => {
      const { turns } = JSON.parse((await run('turns', '--json', ...args)).output);
      return turns.map(({ agent_id: id }: { agent_id: string }) => id);
    };
    expect(await ids('--agent', 'agent:b/c')).toEqual(['agent:b/c']);
    expect(await ids('--status', 'dead')).toEqual(['agent:a']);
    expect((await run('turns', '--status', 'running')).output).toBe('no turns\n');
  });

  test('a dead turn is made anew, once', async () => {
    const { code, output } = await run('redeliver', 'agent:a', dead);
    expect(code).toBe(0);
    expect(output).toMatch(
      new RegExp(`^turn [0-9A-Z]{26} is pending: messages 1–3 of session ${sessionId}\n$`),
    );
    expect(await run('redeliver', 'agent:a', dead)).toEqual({
      code: 1,
      output: expect.stringContaining('(turn_pending)'),
    });
  });

  test.each([
    ['redeliver', ['redeliver', 'agent:a', sessionId], /The agent has no such turn \(turn_not_found\)/],
    ['nobody', ['turns', '--agent', 'agent:x'], /The participant does not exist \(participant_not_found\)/],
  ])('what there is not is told: %s', async (_name, args, message) => {
    expect(await run(...args)).toEqual({ code: 1, output: expect.stringMatching(message) });
  });

  test('without a token, with a bad one, and with a participant’s: what to do', async () => {
    const withToken = (given: string) =>
      runCommand(['agent', 'turns', '--url', server.url], given ? { FLEETLM_TOKEN: given } : {});
    const own = await signToken({ sub: 'agent:a' });
    const [none, bad, participant] = [
      await withToken(''),
      await withToken('no.token.atall'),
      await runCommand(['agent', 'turns', '--agent', 'agent:a', '--url', server.url, '--token', own]),
    ];
    expect([none, bad, participant].map(({ code }) => code)).toEqual([1, 1, 1]);
    expect(none.output).toMatch(
      /\(unauthorized\)\n.*FLEETLM_TOKEN=\$\(fleetlm token --sub backend --role service\)/,
    );
    expect(bad.output).toMatch(/the token was refused/);
    expect(participant.output).toMatch(/\(forbidden\)\n.*--role service/);
  });

  test('a server that is not there, or is none', async () => {
    const { port } = await freedServer();
    const gone = await runCommand(['agent', 'turns'], { PORT: String(port) });
    expect(gone.output).toBe(
      `fleetlm: http://127.0.0.1:${port} cannot be reached (ECONNREFUSED): is the server running? Name another one by --url\n`,
    );
    await using other = await RawHttpServer.start();
    other.answer = (socket) => socket.end('HTTP/1.1 502 Bad\r\ncontent-length: 3\r\n\r\nbad');
    const strange = await runCommand(['agent', 'turns', '--url', other.url()]);
    expect(strange).toEqual({
      code: 1,
      output: expect.stringContaining('answered 502, and not as FleetLM does'),
    });
    expect((await runCommand(['agent', 'turns', '--url', 'localhost'])).output).toContain(
      '--url must be the address',
    );
  });
});

/** Where a server was a moment ago. */
async function freedServer(): Promise<{ port: number }> {
  await using server = await RawHttpServer.start();
  return { port: server.port };
}

describe('the command line of agent', () => {
  test.each([
    [['agent', 'test', 'http://x/', '--json'], { kind: 'test', url: 'http://x/', isJson: true }],
    [
      ['agent', 'turns', '--agent', 'agent:a', '--status', 'dead'],
      { kind: 'turns', agentId: 'agent:a', status: 'dead' },
    ],
    [
      ['agent', 'redeliver', 'token', 'config', '--url', 'http://x'],
      { kind: 'redeliver', agentId: 'token', turnId: 'config' },
    ],
  ])('%j', (args, command) => {
    expect(readCommandLine(args)).toMatchObject({ kind: 'agent', command });
  });

  test.each([
    ['agent', 'agent needs a command: test, turns, redeliver'],
    ['agent fly', '"fly" is no command of agent (known: test, turns, redeliver)'],
    ['agent test', 'URL is missing: fleetlm agent test URL'],
    ['agent test a b', '"b" is one argument too many: fleetlm agent test URL'],
    [
      'agent test a --secrt=b',
      '"--secrt" is no option of agent test; did you mean --secret? (known: --json, --secret, --bearer)',
    ],
    ['agent turns a', '"a" is one argument too many: fleetlm agent turns'],
    [
      'agent turns --status complete',
      '"complete" is no status; did you mean completed? (known: pending, running, completed, failed, stopped, dead)',
    ],
    ['agent redeliver', 'AGENT and TURN are missing: fleetlm agent redeliver AGENT TURN'],
    ['agent redeliver agent:a', 'TURN is missing: fleetlm agent redeliver AGENT TURN'],
    ['agent redeliver agent:a b --json', '"--json" is no option of agent redeliver (known: --url, --token)'],
  ])('what makes no sense is named: %s', async (line, problem) => {
    expect(await runCommand(line.split(' '))).toEqual({
      code: 64,
      output: `fleetlm: ${problem}\n  see fleetlm agent --help\n`,
    });
  });

  test.each([[['agent', '--help']], [['agent', 'turns', '-h']]])('%j helps', async (args) => {
    const { code, output } = await runCommand(args);
    expect(code).toBe(0);
    for (const part of ['test URL', 'turns', 'redeliver AGENT TURN', '--status', '--token', 'FLEETLM_TOKEN'])
      expect(output).toContain(part);
  });
});

function headersOf(head: string): Record<string, string> {
  const lines = head.split('\r\n').slice(1);
  return Object.fromEntries(lines.map((line) => [line.split(': ')[0]!.toLowerCase(), line.split(': ')[1]!]));
}
