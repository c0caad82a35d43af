import { SpawnedProcess, spawnFleetlm, testSecret } from '@fleetlm/testkit';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { createTokenVerifier, secretKey } from '../../src/auth/token-verifier.ts';
import { readCommandLine } from '../../src/cli/command-line.ts';
import { runTokenCommand } from '../../src/cli/token-command.ts';
import { parseTtl } from '../../src/cli/ttl.ts';
import { parseConfig } from '../../src/config/config.ts';

const env = { FLEETLM_JWT_SECRET: testSecret };

function token(options: { sub?: string; role?: string; ttl?: string }, environment: object = env) {
  const { auth } = parseConfig(environment as Record<string, string>);
  return runTokenCommand({ sub: undefined, role: undefined, ttl: '1h', ...options }, auth);
}

describe('fleetlm token', () => {
  test('prints a token that the server accepts, and nothing else', async () => {
    await using child = spawnFleetlm(['token', '--sub', 'user:alice', '--ttl', '15m'], { env });
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(child.output).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const printed = child.output.trim();
    expect(decodeProtectedHeader(printed)).toEqual({ alg: 'HS256', typ: 'JWT' });
    const { sub, iat, exp, ...rest } = decodeJwt(printed);
    expect([sub, exp! - iat!, rest]).toEqual(['user:alice', 900, {}]);
    const verify = createTokenVerifier(parseConfig(env).auth.jwt!, secretKey(testSecret));
    expect(await verify(printed)).toMatchObject({ ok: true, principal: { participantId: 'user:alice' } });
  });

  test('for the service, an hour long by default, with issuer and audience when they are configured', async () => {
    const configured = { ...env, FLEETLM_JWT_ISSUER: 'our-app', FLEETLM_JWT_AUDIENCE: 'fleetlm' };
    const claims = decodeJwt(await token({ sub: 'backend', role: 'service' }, configured));
    expect(claims).toMatchObject({ sub: 'backend', role: 'service', iss: 'our-app', aud: 'fleetlm' });
    expect(claims.exp! - claims.iat!).toBe(3_600);
  });

  test.each([
    ['no secret', { sub: 'user:a' }, {}, /needs FLEETLM_JWT_SECRET/],
    [
      'a JWKS',
      { sub: 'user:a' },
      { FLEETLM_JWKS_URL: 'https://issuer.example/jwks' },
      /come from the issuer/,
    ],
    ['nobody', {}, env, /--sub/],
    ['an id that is none', { sub: '' }, env, /--sub/],
    ['another role', { sub: 'user:a', role: 'admin' }, env, /--role must be service/],
    ['a time that is none', { sub: 'user:a', ttl: '1 hour' }, env, /--ttl must be/],
  ])('%s is refused with what to do', async (_name, options, environment, message) => {
    await expect(token(options, environment)).rejects.toThrow(message);
  });

  test('a refusal goes to stderr, with a failure and without the secret', async () => {
    await using child = spawnFleetlm(['token'], { env });
    expect((await child.exited).code).toBe(64);
    expect(child.output).toMatch(/^fleetlm: token needs --sub/);
    expect(child.output).not.toContain(testSecret);
  });

  test('npm run token', async () => {
    const args = ['run', '--silent', 'token', '--', '--sub', 'user:bob'];
    await using child = new SpawnedProcess('npm', args, { env });
    expect((await child.exited).code).toBe(0);
    expect(decodeJwt(child.output.trim().split('\n').at(-1)!).sub).toBe('user:bob');
  });
});

test.each([
  ['1s', 1],
  ['30s', 30],
  ['15m', 900],
  ['1h', 3_600],
  ['7d', 604_800],
  ['365d', 31_536_000],
  ['366d', null],
  ['0s', null],
  ['1', null],
  ['1.5h', null],
  ['-1h', null],
  ['1H', null],
  ['', null],
  ['9999999999s', null],
])('ttl %j is %j seconds', (text, seconds) => {
  expect(parseTtl(text)).toBe(seconds);
});

describe('the command line', () => {
  test.each([
    [[], { kind: 'start' }],
    [['start'], { kind: 'start' }],
    [['db', 'reset', '--yes'], { kind: 'db', command: 'reset', yes: true }],
    [['token', '--sub', 'user:a'], { kind: 'token', options: { sub: 'user:a', role: undefined, ttl: '1h' } }],
    [['token', '--help'], { kind: 'print' }],
    [['-v'], { kind: 'print' }],
  ])('%j', (args, command) => {
    expect(readCommandLine(args)).toMatchObject(command);
  });
});
