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
      ops: null,
      auth: { mode: 'none', jwt: null, insecureAllowNoAuth: false, allowedOrigins: [] },
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
      tracing: { endpoint: null, serviceName: 'fleetlm', ratio: 1 },
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
    ['FLEETLM_OPS_PORT', '0', (config) => config.ops, { host: '127.0.0.1', port: 0 }],
    ['FLEETLM_OPS_PORT', '9400', (config) => config.ops, { host: '127.0.0.1', port: 9400 }],
    ['FLEETLM_MIGRATE_AT_START', '0', (config) => config.database.migrateAtStart, false],
    ['FLEETLM_MIGRATE_AT_START', 'false', (config) => config.database.migrateAtStart, false],
    ['FLEETLM_MIGRATE_AT_START', 'true', (config) => config.database.migrateAtStart, true],
    [
      'FLEETLM_ALLOWED_ORIGINS',
      ' https://a.example, ,https://b.example ',
      (config) => config.auth.allowedOrigins,
      ['https://a.example', 'https://b.example'],
    ],
    [
      'FLEETLM_ACCEPT_UNSAFE_POSTGRES',
      'fsync, full_page_writes',
      (config) => config.database.acceptedUnsafe,
      ['fsync', 'full_page_writes'],
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
    ['FLEETLM_OPS_PORT', 'yes'],
    ['FLEETLM_APPEND_LANES', '0'],
    ['FLEETLM_SESSION_IDLE_MS', '0'],
    ['FLEETLM_SESSION_IDLE_MS', '60s'],
    ['FLEETLM_SOCKET_FRAME_BYTES', '64KiB'],
    ['FLEETLM_MIGRATE_AT_START', 'yes'],
    ['LOG_LEVEL', 'verbose'],
    ['LOG_LEVEL', 'constructor'],
    ['FLEETLM_AUTH', 'maybe'],
    ['FLEETLM_JWT_LEEWAY_MS', '5001'],
    ['FLEETLM_JWKS_URL', 'http://issuer.example/jwks'],
    ['FLEETLM_JWKS_URL', 'issuer.example'],
    ['FLEETLM_JWKS_URL', 'file:///etc/keys'],
    ['FLEETLM_JWKS_URL', 'http://127.0.0.1.example/jwks'],
    ['FLEETLM_JWKS_URL', 'https://user:password@issuer.example/jwks'],
    ['FLEETLM_ACCEPT_UNSAFE_POSTGRES', 'fsync,autovacuum'],
    ['FLEETLM_ACCEPT_UNSAFE_POSTGRES', '1'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'http://user:password@collector'],
    ['OTEL_TRACES_SAMPLER_ARG', '1.1'],
    ['OTEL_TRACES_SAMPLER_ARG', '1%'],
    ['FLEETLM_FAILPOINTS', 'nowhere=kill'],
    ['FLEETLM_ALLOWED_ORIGINS', 'app.example'],
    ['FLEETLM_ALLOWED_ORIGINS', '*'],
    ['FLEETLM_ALLOWED_ORIGINS', 'null'],
    ['FLEETLM_ALLOWED_ORIGINS', 'https://*.example'],
    ['FLEETLM_ALLOWED_ORIGINS', 'https://app.example/chat'],
    ['FLEETLM_ALLOWED_ORIGINS', 'https://user@app.example'],
    ['FLEETLM_ALLOWED_ORIGINS', 'https://app.example,evil'],
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
      FLEETLM_AUTH: 'none',
    };
    const { FLEETLM_AUTH: _, ...bad } = env;
    expect(badOf(env).sort()).toEqual(Object.keys(bad).sort());
    expect(() => parseConfig(env)).toThrow(/^The configuration is not valid:\n( {2}- .+\n?){5}$/);
  });

  test.each([
    ['on every address', { HOST: '0.0.0.0' }, ['HOST']],
    ['on every IPv6 address', { HOST: '::' }, ['HOST']],
    ['on an address of the network', { HOST: '192.168.1.5' }, ['HOST']],
    ['on a name', { HOST: 'chat.example' }, ['HOST']],
    ['accepted by name', { HOST: '0.0.0.0', FLEETLM_INSECURE_ALLOW_NO_AUTH: '1' }, []],
    ['in production, by name', { NODE_ENV: 'production' }, []],
    ['on loopback', { HOST: '127.0.0.1' }, []],
    ['on IPv6 loopback', { HOST: '::1' }, []],
  ])('no authentication %s', (_name, env, bad) => {
    expect(badOf({ FLEETLM_AUTH: 'none', ...env } as Record<string, string>)).toEqual(bad);
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

test('operations have a port of their own', () => {
  expect(badOf({ PORT: '4000', FLEETLM_OPS_PORT: '4000' })).toEqual(['FLEETLM_OPS_PORT']);
  expect(badOf({ PORT: '0', FLEETLM_OPS_PORT: '0' })).toEqual([]);
  // Loopback, whatever the main port listens on.
  const open = { HOST: '0.0.0.0', FLEETLM_JWT_SECRET: 'x'.repeat(32), FLEETLM_OPS_PORT: '9400' };
  expect(parseConfig(open).ops).toEqual({ host: '127.0.0.1', port: 9400 });
  expect(parseConfig({ ...open, FLEETLM_OPS_HOST: '10.0.0.7' }).ops?.host).toBe('10.0.0.7');
});

describe('authentication', () => {
  const secret = 'x'.repeat(32);
  const url = 'https://issuer.example/jwks';

  test.each([
    ['on loopback: none', {}, 'none'],
    ['on localhost: none', { HOST: 'localhost' }, 'none'],
    ['in development: none', { NODE_ENV: 'development' }, 'none'],
    ['with a secret: jwt', { FLEETLM_JWT_SECRET: secret }, 'jwt'],
    ['with a JWKS: jwt', { FLEETLM_JWKS_URL: url }, 'jwt'],
    ['by name none, although there is a key', { FLEETLM_AUTH: 'none', FLEETLM_JWT_SECRET: secret }, 'none'],
    ['beyond loopback: jwt', { HOST: '0.0.0.0', FLEETLM_JWT_SECRET: secret }, 'jwt'],
    ['in production: jwt', { NODE_ENV: 'production', FLEETLM_JWKS_URL: url }, 'jwt'],
  ])('%s', (_name, env, mode) => {
    expect(parseConfig(env as Record<string, string>).auth.mode).toBe(mode);
  });

  test.each([
    ['by name', { FLEETLM_AUTH: 'jwt' }, /^FLEETLM_AUTH is jwt, and/],
    [
      'beyond loopback',
      { HOST: '0.0.0.0' },
      /^FLEETLM_AUTH is jwt, since other machines reach HOST=0\.0\.0\.0/,
    ],
    ['in production', { NODE_ENV: 'production' }, /^FLEETLM_AUTH is jwt, since NODE_ENV=production/],
    [
      'beyond loopback, with an acceptance of what was not asked for',
      { HOST: '0.0.0.0', FLEETLM_INSECURE_ALLOW_NO_AUTH: '1' },
      /^FLEETLM_AUTH is jwt/,
    ],
  ])('jwt without a key stops the start: %s', (_name, env, problem) => {
    const problems = problemsOf(env as Record<string, string>);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
    expect(problems[0]).toContain('set FLEETLM_JWT_SECRET or FLEETLM_JWKS_URL');
  });

  test('there is one kind of key', () => {
    expect(badOf({ FLEETLM_JWT_SECRET: secret, FLEETLM_JWKS_URL: url })).toEqual(['FLEETLM_JWT_SECRET']);
  });

  test.each(['x'.repeat(31), 'short', 'ä'.repeat(15)])(
    'a secret of less than 32 bytes is refused: %s',
    (text) => {
      expect(problemsOf({ FLEETLM_JWT_SECRET: text })).toEqual([
        'FLEETLM_JWT_SECRET must hold at least 32 bytes',
      ]);
    },
  );

  test('a secret is counted in bytes', () => {
    expect(badOf({ FLEETLM_JWT_SECRET: 'ä'.repeat(16) })).toEqual([]);
  });

  test.each([url, 'http://localhost:8080/keys', 'http://127.0.0.1/keys', 'http://[::1]:1/keys'])(
    'a JWKS at %s',
    (address) => {
      const { jwt } = parseConfig({ FLEETLM_JWKS_URL: address }).auth;
      expect(jwt).toEqual({
        key: { kind: 'jwks', url: address },
        issuer: null,
        audience: null,
        leewayMs: 5_000,
      });
    },
  );
});

describe('agents', () => {
  const secret = { FLEETLM_JWT_SECRET: 'x'.repeat(32) };

  test.each([
    ['a developer’s own server', {}, true],
    ['with tokens', secret, false],
    [
      'beyond loopback',
      { HOST: '0.0.0.0', FLEETLM_AUTH: 'none', FLEETLM_INSECURE_ALLOW_NO_AUTH: '1' },
      false,
    ],
    ['in production', { NODE_ENV: 'production', ...secret }, false],
    ['if it is said', { ...secret, FLEETLM_AGENT_ALLOW_LOOPBACK: '1' }, true],
    ['unless it is said', { FLEETLM_AGENT_ALLOW_LOOPBACK: '0' }, false],
  ])('agents on this machine may be called: %s %j %s', (_name, env, expected) => {
    expect(parseConfig(env as Record<string, string>).agents.guard.allowLoopback).toBe(expected);
  });

  test('allowed networks are told apart by family', () => {
    const { ipv4, ipv6 } = parseConfig({ FLEETLM_AGENT_ALLOWED_CIDRS: '10.1.0.0/16, fd12::/16,10.9.9.9' })
      .agents.guard.allowedRanges;
    const allowed = ['10.1.2.3', '10.9.9.9', '10.2.0.0', '10.9.9.8'].map((address) =>
      ipv4.check(address, 'ipv4'),
    );
    expect(allowed).toEqual([true, true, false, false]);
    expect(['fd12::1', 'fd13::1', '::ffff:10.1.2.3'].map((address) => ipv6.check(address, 'ipv6'))).toEqual([
      true,
      false,
      false,
    ]);
  });

  test.each(['10.0.0.0/33', '10.1', 'agent.example', '10.0.0.0/8/8', 'fd00::/129', '10.0.0.0/'])(
    '%s is no network',
    (text) => {
      expect(problemsOf({ FLEETLM_AGENT_ALLOWED_CIDRS: text })[0]).toMatch(
        /must be a list of addresses and subnets/,
      );
    },
  );
});

describe('tracing', () => {
  test.each([
    ['http://collector:4318', 'http://collector:4318/v1/traces'],
    ['https://traces.example/otlp/', 'https://traces.example/otlp/v1/traces'],
  ])('to %s', (base, endpoint) => {
    expect(parseConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: base }).tracing.endpoint).toBe(endpoint);
  });

  test('has an address of its own, taken as it is', () => {
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://general',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://own/path',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20YTpi, x-tenant = a=b ,',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    };
    expect(parseConfig(env).tracing).toMatchObject({
      endpoint: 'http://own/path',
      headers: [
        ['authorization', 'Basic YTpi'],
        ['x-tenant', 'a=b'],
      ],
      ratio: 0.25,
    });
  });

  test.each(['hunter2', '=hunter2', 'a=%hunter2', 'a b=hunter2', 'a=x%0ahunter2'])(
    'headers that could not be sent are refused, and not quoted: %s',
    (headers) => {
      const problems = problemsOf({ OTEL_EXPORTER_OTLP_HEADERS: headers });
      expect(problems).toEqual([expect.stringMatching(/^OTEL_EXPORTER_OTLP_HEADERS must be a list/)]);
      expect(problems[0]).not.toContain('hunter2');
    },
  );
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
      { FLEETLM_JWT_SECRET: 'hunter2' },
    ]) {
      const problems = problemsOf(env);
      expect(problems.length).toBeGreaterThan(0);
      expect(problems.join('\n')).not.toContain('hunter2');
    }
  });

  test.each([
    'postgres://u:p@h/d',
    'postgres://u:a%2Fb%40c@h:5432/d?sslmode=verify-full',
    'postgresql:///d?host=/run/postgresql',
    'postgres://u:p@/d?host=/run/postgresql',
    'postgres://u:p@%2Frun%2Fpostgresql/d',
    'postgres://u:p@[::1]:5432/d',
  ])('%s is an address of Postgres', (url) => {
    expect(parseConfig({ DATABASE_URL: url }).database.url).toBe(url);
  });

  test.each(['postgres://u:hunter2/b@h/d', 'postgres://u:p@h:hunter2/d'])(
    '%s is a mistake, not a Postgres that does not answer',
    (url) => {
      expect(problemsOf({ DATABASE_URL: url })).toEqual([
        'DATABASE_URL is no URL: percent-encode what is special in its password (/ as %2F, @ as %40, % as %25)',
      ]);
    },
  );

  test('in a file are checked as in a variable', async () => {
    await writeFile(join(directory, 'short'), 'hunter2\n');
    expect(problemsOf({ FLEETLM_JWT_SECRET_FILE: join(directory, 'short') })).toEqual([
      'FLEETLM_JWT_SECRET must hold at least 32 bytes',
    ]);
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
