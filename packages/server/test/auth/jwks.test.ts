import {
  type IssuerKey,
  inSeconds,
  issuerKey,
  JwksServer,
  quietLog,
  signWith,
  waitUntil,
} from '@fleetlm/testkit';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Jwks, KeysUnavailableError } from '../../src/auth/jwks.ts';
import { createTokenVerifier } from '../../src/auth/token-verifier.ts';

const minute = 60_000;

let first: IssuerKey;
let second: IssuerKey;
let issuer: JwksServer;
let lifetime: AbortController;
let nowMs: number;
let warnings: object[];

beforeAll(async () => {
  [first, second] = await Promise.all([issuerKey('RS256', 'first'), issuerKey('ES256', 'second')]);
});
beforeEach(async () => {
  issuer = await JwksServer.start(first);
  lifetime = new AbortController();
  nowMs = 1_000_000;
  warnings = [];
});
afterEach(async () => {
  lifetime.abort();
  await issuer[Symbol.asyncDispose]();
});

/** What comes of a token: the participant, or why not. */
function verifier(): (token: string) => Promise<string> {
  const log = { ...quietLog, warn: (fields: object) => void warnings.push(fields) };
  const { signal } = lifetime;
  const jwks = new Jwks({ url: issuer.url, signal, log, now: () => nowMs });
  const key = { kind: 'jwks', url: issuer.url } as const;
  const verify = createTokenVerifier({ key, issuer: null, audience: null, leewayMs: 0 }, jwks.find);
  return async (token) => {
    const verified = await verify(token);
    return verified.ok ? 'accepted' : verified.reason;
  };
}

function tokenOf(key: IssuerKey, kid = key.kid): Promise<string> {
  return signWith(key, { sub: 'user:alice', exp: inSeconds(3_600) }, { kid });
}

const unknownKey = 'ERR_JWKS_NO_MATCHING_KEY';

describe('keys are fetched', () => {
  test('once for 50 tokens that come at once, and not again while they are fresh', async () => {
    const verify = verifier();
    const token = await tokenOf(first);
    const all = await Promise.all(Array.from({ length: 50 }, () => verify(token)));
    expect(new Set(all)).toEqual(new Set(['accepted']));
    nowMs += 5 * minute - 1;
    expect(await verify(token)).toBe('accepted');
    expect(issuer.requests).toBe(1);
  });

  test('not for a token whose algorithm is not on the list', async () => {
    const verify = verifier();
    expect(await verify('eyJhbGciOiJub25lIn0.e30.')).toBe('ERR_JOSE_ALG_NOT_ALLOWED');
    expect(issuer.requests).toBe(0);
  });

  test('from the configured address alone: jku and x5u are not looked at', async () => {
    await using attacker = await JwksServer.start(second);
    const verify = verifier();
    const header = { kid: 'second', jku: attacker.url, x5u: attacker.url };
    expect(await verify(await signWith(second, { sub: 'user:alice' }, header))).toBe(unknownKey);
    expect(attacker.requests).toBe(0);
  });
});

describe('rotation', () => {
  test('a new key is found when its first token comes', async () => {
    const verify = verifier();
    expect(await verify(await tokenOf(first))).toBe('accepted');
    issuer.keys = [first, second];
    nowMs += minute;
    expect(await verify(await tokenOf(second))).toBe('accepted');
    expect(await verify(await tokenOf(first))).toBe('accepted');
    expect(issuer.requests).toBe(2);
  });

  test('a flood of unknown key ids makes one fetch a minute', async () => {
    const verify = verifier();
    await verify(await tokenOf(first));
    const strangers = await Promise.all(Array.from({ length: 50 }, (_, n) => tokenOf(first, `kid-${n}`)));
    for (let passed = 0; passed < 3; passed += 1) {
      expect(new Set(await Promise.all(strangers.map(verify)))).toEqual(new Set([unknownKey]));
      expect(issuer.requests).toBe(1 + passed);
      nowMs += minute;
    }
  });

  test('an unknown key id with no keys yet makes one fetch, not two', async () => {
    expect(await verifier()(await tokenOf(first, 'unknown'))).toBe(unknownKey);
    expect(issuer.requests).toBe(1);
  });

  test('a key that is no longer published is refused once stale keys have been fetched anew', async () => {
    const verify = verifier();
    const token = await tokenOf(first);
    await verify(token);
    issuer.keys = [second];
    nowMs += 5 * minute;
    expect(await verify(token)).toBe('accepted');
    await waitUntil(async () => (await verify(token)) === unknownKey);
    expect(issuer.requests).toBe(2);
  });
});

describe('the issuer is down', () => {
  const down = (response: { writeHead(status: number): { end(): void } }) => response.writeHead(503).end();

  test('stale keys are used at once, and asked for once a minute', async () => {
    const verify = verifier();
    const token = await tokenOf(first);
    await verify(token);
    issuer.answer = down;
    nowMs += 5 * minute;
    for (let passed = 2; passed < 5; passed += 1) {
      expect(await Promise.all([verify(token), verify(token)])).toEqual(['accepted', 'accepted']);
      await waitUntil(() => warnings.length === passed - 1);
      expect(await verify(token)).toBe('accepted');
      expect(issuer.requests).toBe(passed);
      nowMs += minute;
    }
  });

  test('nobody waits for an issuer that hangs while there are keys', async () => {
    const verify = verifier();
    const token = await tokenOf(first);
    await verify(token);
    issuer.answer = () => undefined;
    nowMs += 5 * minute;
    expect(await verify(token)).toBe('accepted');
    expect(await verify(token)).toBe('accepted');
  });

  test('keys are not used for longer than an hour; then nobody can be judged, until it is back', async () => {
    const verify = verifier();
    const token = await tokenOf(first);
    await verify(token);
    issuer.answer = down;
    nowMs += 60 * minute - 1;
    expect(await verify(token)).toBe('accepted');
    await waitUntil(() => warnings.length === 1);
    nowMs += 5_001;
    await expect(verify(token)).rejects.toThrow(KeysUnavailableError);
    issuer.answer = null;
    await expect(verify(token)).rejects.toThrow(KeysUnavailableError);
    nowMs += 5_000;
    expect(await verify(token)).toBe('accepted');
  });

  test('without any keys it is asked every 5 s, by all who wait together', async () => {
    issuer.answer = down;
    const verify = verifier();
    const token = await tokenOf(first);
    for (let attempt = 1; attempt < 4; attempt += 1) {
      const all = await Promise.allSettled([verify(token), verify(token), verify(token)]);
      expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
      await expect(verify(token)).rejects.toThrow(KeysUnavailableError);
      expect(issuer.requests).toBe(attempt);
      nowMs += 5_000;
    }
    expect(warnings).toHaveLength(3);
  });
});

describe('an answer that is no JWKS keeps the keys that are there', () => {
  test.each<[string, NonNullable<JwksServer['answer']>]>([
    ['not JSON', (response) => response.end('<html>')],
    ['JSON that is no key set', (response) => response.end('{"keys": "none"}')],
    ['a list', (response) => response.end('[]')],
    ['null', (response) => response.end('null')],
    ['nothing', (response) => response.end()],
    ['404', (response) => response.writeHead(404).end('{"keys": []}')],
    ['too large', (response) => response.end(`{"keys": [], "x": "${'x'.repeat(256 << 10)}"}`)],
    ['a redirect', (response) => response.writeHead(302, { location: '/elsewhere' }).end()],
    ['a connection that breaks', (response) => response.destroy()],
  ])('%s', async (_name, answer) => {
    const verify = verifier();
    const token = await tokenOf(first);
    await verify(token);
    issuer.answer = answer;
    nowMs += minute;
    expect(await verify(await tokenOf(first, 'unknown'))).toBe(unknownKey);
    expect(issuer.requests).toBe(2);
    expect(warnings).toHaveLength(1);
    expect(await verify(token)).toBe('accepted');
  });

  test('one key that cannot be used does no harm to the others', async () => {
    issuer.keys = [
      { ...second, publicJwk: { kty: 'EC', crv: 'P-256', kid: 'second', x: '!', y: '!' } },
      first,
    ];
    const verify = verifier();
    expect(await verify(await tokenOf(first))).toBe('accepted');
    expect(await verify(await tokenOf(second))).not.toBe('accepted');
  });
});

test('a server that is gone fetches nothing, and says nothing', async () => {
  issuer.answer = () => undefined;
  const verified = verifier()(await tokenOf(first));
  await waitUntil(() => issuer.requests === 1);
  lifetime.abort();
  await expect(verified).rejects.toThrow(KeysUnavailableError);
  expect(warnings).toEqual([]);
});
