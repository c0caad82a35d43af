import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import {
  newSigningSecret,
  parseSigningSecret,
  type SigningKey,
  signatureHeaders,
} from '../../../src/agents/webhook/signature.ts';

const body = Buffer.from('{"type":"turn.requested","data":{"text":"Grüße 👋"}}');
const timestampSeconds = Math.floor(Date.now() / 1_000);

function keyOf(secret: string): SigningKey {
  return parseSigningSecret(secret)!;
}

function sign(...secrets: readonly string[]): Record<string, string> {
  return signatureHeaders({ id: 'turn-1', body, keys: secrets.map(keyOf), timestampSeconds });
}

describe('a signature is what Standard Webhooks asks for (S24)', () => {
  test('the official package accepts it, and no other body, id or time', () => {
    const secret = newSigningSecret();
    const headers = sign(secret);
    const webhook = new Webhook(secret);
    expect(webhook.verify(body, headers)).toEqual(JSON.parse(body.toString()));
    for (const forged of [
      { ...headers, 'webhook-id': 'turn-2' },
      { ...headers, 'webhook-timestamp': String(timestampSeconds + 1) },
      sign(newSigningSecret()),
    ]) {
      expect(() => webhook.verify(body, forged)).toThrow('No matching signature');
    }
    expect(() => webhook.verify(Buffer.concat([body, Buffer.from(' ')]), headers)).toThrow(
      'No matching signature',
    );
  });

  test('equals the example of the specification', () => {
    const headers = signatureHeaders({
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      body: Buffer.from('{"test": 2432232314}'),
      keys: [keyOf('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')],
      timestampSeconds: 1_614_265_330,
    });
    expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  test('during a rotation there are two, and whoever has one of the secrets accepts them', () => {
    const [fresh, old] = [newSigningSecret(), newSigningSecret()];
    const headers = sign(fresh, old);
    expect(headers['webhook-signature']).toMatch(/^v1,\S{44} v1,\S{44}$/);
    for (const secret of [fresh, old]) expect(new Webhook(secret).verify(body, headers)).toBeDefined();
  });

  test('a secret that the operator chose signs by its own bytes', () => {
    const chosen = 'a secret of more than 24 bytes';
    expect(new Webhook(chosen, { format: 'raw' }).verify(body, sign(chosen))).toBeDefined();
  });
});

describe('a secret', () => {
  test('that is new has 32 bytes, and is no other', () => {
    const secrets = Array.from({ length: 100 }, newSigningSecret);
    expect(new Set(secrets).size).toBe(100);
    for (const secret of secrets) expect(keyOf(secret).length).toBe(32);
  });

  test.each([
    ['23 bytes', `whsec_${Buffer.alloc(23).toString('base64')}`, null],
    ['24 bytes', `whsec_${Buffer.alloc(24).toString('base64')}`, 24],
    ['64 bytes', `whsec_${Buffer.alloc(64).toString('base64')}`, 64],
    ['65 bytes', `whsec_${Buffer.alloc(65).toString('base64')}`, null],
    ['nothing', '', null],
    ['nothing behind the prefix', 'whsec_', null],
    ['base64url, which Buffer.from would take', `whsec_${'-_'.repeat(16)}`, null],
    ['base64 without its padding', `whsec_${Buffer.alloc(25).toString('base64').replaceAll('=', '')}`, null],
    ['a text of 23 bytes', 'x'.repeat(23), null],
    ['a text of 24 bytes, in 12 characters', 'ü'.repeat(12), 24],
    ['a text of 65 bytes', 'x'.repeat(65), null],
  ])('of %s', (_what, secret, bytes) => {
    expect(parseSigningSecret(secret)?.length ?? null).toBe(bytes);
  });
});
