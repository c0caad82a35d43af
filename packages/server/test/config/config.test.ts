import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError, parseConfig } from '../../src/config/config.ts';

/** The problems that a start with this environment would name. */
function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems;
  }
}

/** The variables that the problems are about. */
function badOf(env: Record<string, string>): string[] {
  return problemsOf(env).map((problem) => problem.split(/[ =]/)[0]!);
}

describe('defaults', () => {
  test('are those of the documentation, and safe to start with', () => {
    expect(parseConfig({})).toMatchObject({
      listen: { host: '127.0.0.1', port: 4000 },
      auth: { mode: 'none', insecureAllowNoAuth: false, allowedOrigins: [] },
      database: { url: null, dataDir: '.fleetlm', migrateAtStart: true },
      append: {
        maxQueuedRows: 10_000,
        maxQueuedBytes: 64 << 20,
        deadlineMs: 8_000,
        statementTimeoutMs: 5_000,
        lockTimeoutMs: 500,
      },
      messages: { maxPersonBytes: 32 << 10, maxAgentBytes: 1 << 20 },
      groups: { maxMembers: 1_000 },
      http: { maxBodyBytes: 256 << 10 },
      sockets: {
        maxFrameBytes: 64 << 10,
        maxTopics: 100,
        maxQueuedBytes: 1 << 20,
        stallMs: 10_000,
        idleMs: 60_000,
      },
      lifecycle: { shutdownMs: 30_000 },
      log: { level: 'info' },
    });
  });

  test('an empty text counts as unset', () => {
    const empty = { PORT: '', HOST: '', DATABASE_URL: '', LOG_LEVEL: '', FLEETLM_FAILPOINTS: '' };
    expect(parseConfig(empty)).toEqual(parseConfig({}));
  });

  test('nothing can change a configuration', () => {
    const config = parseConfig({ FLEETLM_ALLOWED_ORIGINS: 'https://a.example' });
    for (const part of [config, ...Object.values(config), config.auth.allowedOrigins]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test('other variables are none of its business', () => {
    expect(parseConfig({ PATH: '/bin', FLEETLM: 'x', npm_config_port: '1' })).toEqual(parseConfig({}));
  });
});

describe('values', () => {
  test.each([
    ['PORT', '0', (config: ReturnType<typeof parseConfig>) => config.listen.port, 0],
    ['PORT', '65535', (config) => config.listen.port, 65_535],
    ['HOST', 'localhost', (config) => config.listen.host, 'localhost'],
    ['FLEETLM_MIGRATE_AT_START', '0', (config) => config.database.migrateAtStart, false],
    ['FLEETLM_MIGRATE_AT_START', 'false', (config) => config.database.migrateAtStart, false],
    ['FLEETLM_MIGRATE_AT_START', 'true', (config) => config.database.migrateAtStart, true],
    [
      'FLEETLM_ALLOWED_ORIGINS',
      ' https://a.example, ,https://b.example ',
      (config) => config.auth.allowedOrigins,
      ['https://a.example', 'https://b.example'],
    ],
    ['LOG_LEVEL', 'silent', (config) => config.log.level, 'silent'],
    ['DATABASE_URL', 'postgres://u:p@h/d', (config) => config.database.url, 'postgres://u:p@h/d'],
  ] as [string, string, (config: ReturnType<typeof parseConfig>) => unknown, unknown][])(
    '%s=%s',
    (name, text, read, value) => {
      expect(read(parseConfig({ [name]: text }))).toEqual(value);
    },
  );

  test.each([
    ['PORT', 'http'],
    ['PORT', '-1'],
    ['PORT', '65536'],
    ['PORT', '4000.5'],
    ['PORT', '0x50'],
    ['PORT', '1e3'],
    ['PORT', ' 4000'],
    ['PORT', 'Infinity'],
    ['FLEETLM_APPEND_LANES', '0'],
    ['FLEETLM_SESSION_IDLE_MS', '0'],
    ['FLEETLM_SESSION_IDLE_MS', '60s'],
    ['FLEETLM_SOCKET_FRAME_BYTES', '64KiB'],
    ['FLEETLM_MIGRATE_AT_START', 'yes'],
    ['LOG_LEVEL', 'verbose'],
    ['LOG_LEVEL', 'constructor'],
    ['FLEETLM_AUTH', 'maybe'],
    ['FLEETLM_FAILPOINTS', 'nowhere=kill'],
  ])('%s=%s is refused, by name and with its value', (name, text) => {
    const problems = problemsOf({ [name]: text });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name} must be `));
    expect(problems[0]).toContain(`(it is "${text}")`);
  });
});

describe('problems', () => {
  test('all bad variables are named at once, each on a line', () => {
    const env = {
      PORT: 'x',
      LOG_LEVEL: 'loud',
      FLEETLM_GROUP_MEMBERS: '1',
      FLEETLM_FAILPOINTS: 'x',
      HOST: '0.0.0.0',
    };
    expect(badOf(env).sort()).toEqual(Object.keys(env).sort());
    expect(() => parseConfig(env)).toThrow(/^The configuration is not valid:\n( {2}- .+\n?){5}$/);
  });

  test.each([
    ['on every address', { HOST: '0.0.0.0' }, ['HOST']],
    ['on every IPv6 address', { HOST: '::' }, ['HOST']],
    ['on an address of the network', { HOST: '192.168.1.5' }, ['HOST']],
    ['on a name', { HOST: 'chat.example' }, ['HOST']],
    ['accepted by name', { HOST: '0.0.0.0', FLEETLM_INSECURE_ALLOW_NO_AUTH: '1' }, []],
    ['on loopback', { HOST: '127.0.0.1' }, []],
    ['on IPv6 loopback', { HOST: '::1' }, []],
  ])('no authentication %s', (_name, env, bad) => {
    expect(badOf(env as Record<string, string>)).toEqual(bad);
  });

  test.each([
    [
      'a statement as long as the deadline',
      { FLEETLM_APPEND_DEADLINE_MS: '5000' },
      ['FLEETLM_APPEND_STATEMENT_TIMEOUT_MS'],
    ],
    [
      'a lock as long as the statement',
      { FLEETLM_APPEND_LOCK_TIMEOUT_MS: '5000' },
      ['FLEETLM_APPEND_LOCK_TIMEOUT_MS'],
    ],
    [
      'both',
      {
        FLEETLM_APPEND_DEADLINE_MS: '100',
        FLEETLM_APPEND_STATEMENT_TIMEOUT_MS: '200',
        FLEETLM_APPEND_LOCK_TIMEOUT_MS: '300',
      },
      ['FLEETLM_APPEND_STATEMENT_TIMEOUT_MS', 'FLEETLM_APPEND_LOCK_TIMEOUT_MS'],
    ],
  ])('timeouts that do not fit: %s', (_name, env, bad) => {
    expect(badOf(env as Record<string, string>)).toEqual(bad);
  });
});

describe('secrets', () => {
  const secret = 'postgres://user:hunter2@db.example/fleetlm';
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'fleetlm-config-'));
    await writeFile(join(directory, 'url'), `${secret}\n`);
  });
  afterAll(() => rm(directory, { recursive: true }));

  test('are read from a file, without its last line break', () => {
    expect(parseConfig({ DATABASE_URL_FILE: join(directory, 'url') }).database.url).toBe(secret);
  });

  test('are never printed, whatever else is wrong', () => {
    const files = { DATABASE_URL: secret, DATABASE_URL_FILE: join(directory, 'url') };
    for (const env of [
      files,
      { ...files, PORT: 'x', HOST: '0.0.0.0' },
      { DATABASE_URL: secret, PORT: 'x' },
    ]) {
      const problems = problemsOf(env);
      expect(problems.length).toBeGreaterThan(0);
      expect(problems.join('\n')).not.toContain('hunter2');
    }
  });

  test('both ways at once is a mistake', () => {
    const env = { DATABASE_URL: secret, DATABASE_URL_FILE: join(directory, 'url') };
    expect(problemsOf(env)).toEqual(['DATABASE_URL and DATABASE_URL_FILE are both set']);
  });

  test('a file that cannot be read is named', () => {
    const env = { DATABASE_URL_FILE: join(directory, 'nothing') };
    expect(problemsOf(env)[0]).toMatch(/^DATABASE_URL cannot be read from DATABASE_URL_FILE: ENOENT/);
  });
});
