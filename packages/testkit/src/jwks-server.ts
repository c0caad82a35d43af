import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload } from 'jose';
import { signToken } from './tokens.ts';

/** A key pair of an issuer. */
export interface IssuerKey {
  readonly alg: string;
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

export async function issuerKey(alg: string, kid: string): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** Signs as the owner of `key` would. */
export function signWith(key: IssuerKey, claims: JWTPayload, header: object = {}): Promise<string> {
  return signToken(claims, { alg: key.alg, key: key.privateKey, header: { kid: key.kid, ...header } });
}

/** A token issuer's JWKS over HTTP: tests choose the keys, and count how often they are asked for. */
export class JwksServer implements AsyncDisposable {
  /** What is published. */
  keys: readonly IssuerKey[] = [];
  /** Answers instead of the keys, when it is set. */
  answer: ((response: ServerResponse) => void) | null = null;
  requests = 0;
  readonly #http: Server;

  static async start(...keys: readonly IssuerKey[]): Promise<JwksServer> {
    const server = new JwksServer();
    server.keys = keys;
    const { promise, resolve } = Promise.withResolvers<void>();
    server.#http.listen(0, '127.0.0.1', () => resolve());
    await promise;
    return server;
  }

  private constructor() {
    this.#http = createServer((_request, response) => {
      this.requests += 1;
      if (this.answer !== null) this.answer(response);
      else response.end(JSON.stringify({ keys: this.keys.map(({ publicJwk }) => publicJwk) }));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/jwks.json`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#http.close(() => resolve());
    this.#http.closeAllConnections();
    await promise;
  }
}
