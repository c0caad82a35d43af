import { createHmac, generateKeyPairSync } from 'node:crypto';
import { type IssuerKey, inSeconds, issuerKey, signToken, signWith, testSecret } from '@fleetlm/testkit';
import { createLocalJWKSet, exportJWK, exportSPKI, importJWK, type JWTPayload } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { createTokenVerifier, secretKey, type TokenVerifier } from '../../src/auth/token-verifier.ts';
import type { JwtSettings } from '../../src/config/auth-settings.ts';

const hour = inSeconds(3_600);
const otherSecret = 'the secret of somebody else, as long as ours';

function secretVerifier(settings: Partial<JwtSettings> = {}): TokenVerifier {
  const key = { kind: 'secret', secret: testSecret } as const;
  return createTokenVerifier(
    { key, issuer: null, audience: null, leewayMs: 0, ...settings },
    secretKey(testSecret),
  );
}

function keysVerifier(...keys: readonly IssuerKey[]): TokenVerifier {
  const find = createLocalJWKSet({ keys: keys.map(({ publicJwk }) => publicJwk) });
  const key = { kind: 'jwks', url: 'https://issuer.example/jwks' } as const;
  return createTokenVerifier({ key, issuer: null, audience: null, leewayMs: 0 }, find);
}

function segment(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** The reason for a refusal; fails when there is none. */
async function refusal(verify: TokenVerifier, token: string): Promise<string> {
  const verified = await verify(token);
  if (verified.ok) throw new Error(`accepted as ${JSON.stringify(verified.principal)}`);
  return verified.reason;
}

describe('whom a token names', () => {
  test.each([
    ['a participant', { sub: 'user:alice' }, { kind: 'participant', participantId: 'user:alice' }],
    ['the service', { sub: 'backend', role: 'service' }, { kind: 'service' }],
    ['another role is none', { sub: 'user:a', role: 'admin' }, { kind: 'participant' }],
    ['a role in a list is none', { sub: 'user:a', role: ['service'] }, { kind: 'participant' }],
    ['a role in capitals is none', { sub: 'user:a', role: 'SERVICE' }, { kind: 'participant' }],
    ['a scope is no role', { sub: 'user:a', scope: 'service' }, { kind: 'participant' }],
  ])('%s', async (_name, claims: JWTPayload, principal) => {
    const verified = await secretVerifier()(await signToken(claims));
    expect(verified).toMatchObject({ ok: true, principal });
  });

  test('the principal lasts until exp and the leeway', async () => {
    const token = await signToken({ sub: 'user:alice', exp: hour });
    const verified = await secretVerifier({ leewayMs: 5_000 })(token);
    expect(verified).toMatchObject({ principal: { expiresAtMs: hour * 1_000 + 5_000 } });
  });
});

describe('claims (S6)', () => {
  const claimFault = 'ERR_JWT_CLAIM_VALIDATION_FAILED';

  test.each<[string, JWTPayload | Record<string, unknown>, string]>([
    ['no exp', { exp: undefined }, `${claimFault} exp missing`],
    ['exp as a text', { exp: String(hour) }, `${claimFault} exp invalid`],
    ['exp null', { exp: null }, `${claimFault} exp invalid`],
    ['exp in the past', { exp: inSeconds(-1) }, 'ERR_JWT_EXPIRED exp check_failed'],
    ['exp 0', { exp: 0 }, 'ERR_JWT_EXPIRED exp check_failed'],
    ['exp negative', { exp: -1 }, 'ERR_JWT_EXPIRED exp check_failed'],
    ['nbf in the future', { nbf: inSeconds(60) }, `${claimFault} nbf check_failed`],
    ['nbf as a text', { nbf: '0' }, `${claimFault} nbf invalid`],
    ['no sub', { sub: undefined }, `${claimFault} sub missing`],
    ['sub empty', { sub: '' }, 'sub is no participant id'],
    ['sub a number', { sub: 7 }, 'sub is no participant id'],
    ['sub a list', { sub: ['user:alice'] }, 'sub is no participant id'],
    ['sub too long', { sub: 'x'.repeat(129) }, 'sub is no participant id'],
    ['sub with a control character', { sub: 'user:\n' }, 'sub is no participant id'],
    ['the service without sub', { sub: undefined, role: 'service' }, `${claimFault} sub missing`],
  ])('%s', async (_name, claims, reason) => {
    const token = await signToken({ sub: 'user:alice', ...claims } as JWTPayload);
    expect(await refusal(secretVerifier(), token)).toBe(reason);
  });

  test('an exp beyond all numbers', async () => {
    const signed = `${segment({ alg: 'HS256' })}.${segment('{"sub":"user:alice","exp":1e999}')}`;
    const token = `${signed}.${createHmac('sha256', testSecret).update(signed).digest('base64url')}`;
    expect(await refusal(secretVerifier(), token)).toMatch(/exp/);
  });

  test('the leeway counts for exp and nbf, and no further', async () => {
    const verify = secretVerifier({ leewayMs: 5_000 });
    const good = { sub: 'user:alice', exp: inSeconds(-3), nbf: inSeconds(3) };
    expect((await verify(await signToken(good))).ok).toBe(true);
    expect((await verify(await signToken({ ...good, exp: inSeconds(-6) }))).ok).toBe(false);
    expect((await verify(await signToken({ ...good, nbf: inSeconds(8) }))).ok).toBe(false);
  });

  test.each<[string, JWTPayload, boolean]>([
    ['both as configured', { iss: 'https://issuer.example', aud: 'fleetlm' }, true],
    ['one of several audiences', { iss: 'https://issuer.example', aud: ['other', 'fleetlm'] }, true],
    ['another issuer', { iss: 'https://issuer.example/', aud: 'fleetlm' }, false],
    ['no issuer', { aud: 'fleetlm' }, false],
    ['an issuer in a list', { iss: ['https://issuer.example'] as never, aud: 'fleetlm' }, false],
    ['another audience', { iss: 'https://issuer.example', aud: 'fleet' }, false],
    ['no audience', { iss: 'https://issuer.example' }, false],
  ])('iss and aud: %s', async (_name, claims, isGood) => {
    const verify = secretVerifier({ issuer: 'https://issuer.example', audience: 'fleetlm' });
    expect((await verify(await signToken({ sub: 'user:alice', ...claims }))).ok).toBe(isGood);
  });

  test('iss and aud are not looked at when they are not configured', async () => {
    const token = await signToken({ sub: 'user:alice', iss: 'anybody', aud: 'anything' });
    expect((await secretVerifier()(token)).ok).toBe(true);
  });
});

describe('a shared secret (S4)', () => {
  const claims = { sub: 'user:alice', exp: hour };
  const unsigned = `${segment({ alg: 'none' })}.${segment(claims)}.`;

  test.each([
    ['alg none', unsigned, 'ERR_JOSE_ALG_NOT_ALLOWED'],
    ['alg None', unsigned.replace(/^[^.]+/, segment({ alg: 'None' })), 'ERR_JOSE_ALG_NOT_ALLOWED'],
    ['no alg', unsigned.replace(/^[^.]+/, segment({ typ: 'JWT' })), 'ERR_JWS_INVALID'],
    ['two segments', `${segment({ alg: 'HS256' })}.${segment(claims)}`, 'ERR_JWS_INVALID'],
    [
      'no signature',
      `${segment({ alg: 'HS256' })}.${segment(claims)}.`,
      'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    ],
    ['five segments', 'a.b.c.d.e', 'ERR_JWS_INVALID'],
    ['a header that is not JSON', `${segment('{')}.${segment(claims)}.x`, 'ERR_JWS_INVALID'],
    ['nothing', '', 'ERR_JWS_INVALID'],
    ['no token at all', 'hello', 'ERR_JWS_INVALID'],
  ])('%s', async (_name, token, reason) => {
    expect(await refusal(secretVerifier(), token)).toBe(reason);
  });

  test.each<[string, Parameters<typeof signToken>[1], string]>([
    ['another secret', { key: otherSecret }, 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'],
    ['HS384 with our secret', { alg: 'HS384' }, 'ERR_JOSE_ALG_NOT_ALLOWED'],
    ['HS512 with our secret', { alg: 'HS512', key: testSecret.repeat(2) }, 'ERR_JOSE_ALG_NOT_ALLOWED'],
    ['a kid of 129 characters', { header: { kid: 'k'.repeat(129) } }, 'ERR_JWS_INVALID'],
    ['a kid that is a number', { header: { kid: 7 } }, 'ERR_JWS_INVALID'],
    ['a kid that is an object', { header: { kid: {} } }, 'ERR_JWS_INVALID'],
  ])('%s', async (_name, options, reason) => {
    expect(await refusal(secretVerifier(), await signToken(claims, options))).toBe(reason);
  });

  test.each([['a crit'], ['crit and its parameter']])('%s that nobody knows', async (name) => {
    const header = { alg: 'HS256', crit: ['urgent'], ...(name.startsWith('crit') && { urgent: 1 }) };
    const token = `${segment(header)}.${segment(claims)}.x`;
    expect(await refusal(secretVerifier(), token)).toMatch(/^ERR_(JWS_INVALID|JOSE_NOT_SUPPORTED)$/);
  });

  test('claims that were changed after the signature', async () => {
    const [header, , signature] = (await signToken(claims)).split('.');
    const forged = `${header}.${segment({ ...claims, role: 'service' })}.${signature}`;
    expect(await refusal(secretVerifier(), forged)).toBe('ERR_JWS_SIGNATURE_VERIFICATION_FAILED');
  });

  test('a kid of 128 characters, and any other header, change nothing', async () => {
    const header = { kid: "../../etc/passwd' or 1=1 --".padEnd(128, 'k'), typ: 'at+jwt', cty: 'JWT' };
    expect((await secretVerifier()(await signToken(claims, { header }))).ok).toBe(true);
  });

  test('no reason holds anything of the token', async () => {
    const marker = 'MARKER';
    const tokens = [
      await signToken({ sub: `${marker}\n` }),
      await signToken({ sub: 'x', iss: marker, aud: marker }, { header: { kid: marker.repeat(40) } }),
      `${segment({ alg: marker, crit: [marker], [marker]: 1 })}.${segment({ sub: marker })}.${marker}`,
      marker,
    ];
    const verify = secretVerifier({ issuer: 'i', audience: 'a' });
    for (const token of tokens) expect(await refusal(verify, token)).not.toContain(marker);
  });
});

describe('published keys (S4)', () => {
  const claims = { sub: 'user:alice' };
  let rsa: IssuerKey;
  let ec: IssuerKey;
  let ed: IssuerKey;
  let foreign: IssuerKey;

  beforeAll(async () => {
    [rsa, ec, ed, foreign] = await Promise.all([
      issuerKey('RS256', 'rsa'),
      issuerKey('ES256', 'ec'),
      issuerKey('EdDSA', 'ed'),
      issuerKey('RS256', 'rsa'),
    ]);
  });

  test('RS256, ES256 and EdDSA are accepted', async () => {
    const verify = keysVerifier(rsa, ec, ed);
    for (const key of [rsa, ec, ed]) expect((await verify(await signWith(key, claims))).ok).toBe(true);
  });

  test('the right kid with the key of somebody else', async () => {
    const token = await signWith(foreign, claims);
    expect(await refusal(keysVerifier(rsa), token)).toBe('ERR_JWS_SIGNATURE_VERIFICATION_FAILED');
  });

  test('HS256 with the public key as its secret, in every form it is published in', async () => {
    const { publicJwk } = rsa;
    const spki = await exportSPKI((await importJWK(publicJwk, 'RS256')) as never);
    for (const key of [spki, spki.trim(), JSON.stringify(publicJwk), publicJwk.n!]) {
      const token = await signToken(claims, { key, header: { kid: 'rsa' } });
      expect(await refusal(keysVerifier(rsa), token)).toBe('ERR_JOSE_ALG_NOT_ALLOWED');
    }
  });

  test('a token signed by a private key is no token of the secret', async () => {
    expect(await refusal(secretVerifier(), await signWith(rsa, claims))).toBe('ERR_JOSE_ALG_NOT_ALLOWED');
  });

  test.each(['RS384', 'RS512', 'PS256', 'ES384'])('%s is not on the list', async (alg) => {
    const key = await issuerKey(alg, 'k');
    expect(await refusal(keysVerifier(key), await signWith(key, claims))).toBe('ERR_JOSE_ALG_NOT_ALLOWED');
  });

  test('an algorithm that does not fit the key that the kid names', async () => {
    const token = await signToken(claims, { alg: 'ES256', key: ec.privateKey, header: { kid: 'rsa' } });
    expect(await refusal(keysVerifier(rsa, ec), token)).toBe('ERR_JWKS_NO_MATCHING_KEY');
  });

  test('jwk, x5c: a key that the token brings along is not used', async () => {
    const { publicJwk } = foreign;
    const token = await signWith(foreign, claims, { jwk: publicJwk, x5c: ['MIIB'], kid: 'rsa' });
    expect(await refusal(keysVerifier(rsa), token)).toBe('ERR_JWS_SIGNATURE_VERIFICATION_FAILED');
    const unnamed = await signWith(foreign, claims, { jwk: publicJwk, kid: undefined });
    expect((await keysVerifier(rsa)(unnamed)).ok).toBe(false);
  });

  test('a kid that is unknown, and none where several keys could be meant', async () => {
    const other = await issuerKey('RS256', 'other');
    const unknown = await signWith(rsa, claims, { kid: 'unknown' });
    expect(await refusal(keysVerifier(rsa), unknown)).toBe('ERR_JWKS_NO_MATCHING_KEY');
    const unnamed = await signWith(rsa, claims, { kid: undefined });
    expect((await keysVerifier(rsa)(unnamed)).ok).toBe(true);
    expect(await refusal(keysVerifier(rsa, other), unnamed)).toBe('ERR_JWKS_MULTIPLE_MATCHING_KEYS');
  });

  test('keys that are not to be used: for encryption, symmetric, private, too short', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 });
    const short = { ...rsa, publicJwk: { ...(await exportJWK(privateKey)), kid: 'rsa' } };
    const unusable = [
      { ...rsa, publicJwk: { ...rsa.publicJwk, use: 'enc' } },
      { ...rsa, publicJwk: { ...rsa.publicJwk, key_ops: ['sign'] } },
      { ...rsa, publicJwk: { kty: 'oct', k: segment('key'), kid: 'rsa' } },
      { ...rsa, publicJwk: { ...(await exportJWK(rsa.privateKey)), kid: 'rsa' } },
      {
        ...rsa,
        publicJwk: { kty: short.publicJwk.kty!, n: short.publicJwk.n!, e: short.publicJwk.e!, kid: 'rsa' },
      },
    ];
    const token = await signWith(rsa, claims);
    for (const key of unusable) expect((await keysVerifier(key)(token)).ok).toBe(false);
  });
});
