import { signToken } from '@fleetlm/testkit/tokens';

/** How to act as somebody. A participant of null is the service. */
export interface Identity {
  readonly mode: 'tokens' | 'no-auth';
  /** Of a REST call. */
  headersOf(participantId: string | null): Promise<Readonly<Record<string, string>>>;
  /** Of a socket's address. */
  parametersOf(participantId: string | null): Promise<Readonly<Record<string, string>>>;
}

export interface TokenIssuer {
  readonly secret: string;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
}

/** For servers with `FLEETLM_AUTH=none`: everybody is believed. */
export const noAuthentication: Identity = {
  mode: 'no-auth',
  headersOf: async (participantId) => (participantId === null ? {} : { 'x-participant-id': participantId }),
  parametersOf: async (participantId) => (participantId === null ? {} : { participant_id: participantId }),
};

/** For servers that check HS256 tokens. */
export class TokenIdentity implements Identity {
  readonly mode = 'tokens';
  readonly #issuer: TokenIssuer;

  constructor(issuer: TokenIssuer) {
    this.#issuer = issuer;
  }

  async headersOf(participantId: string | null) {
    return { authorization: `Bearer ${await this.tokenOf(participantId)}` };
  }

  async parametersOf(participantId: string | null) {
    return { token: await this.tokenOf(participantId) };
  }

  /** A token that is good, but for what `claims` say otherwise. */
  tokenOf(participantId: string | null, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const { secret, issuer, audience } = this.#issuer;
    return signToken(
      {
        sub: participantId ?? 'service:conformance',
        ...(participantId === null && { role: 'service' }),
        ...(issuer !== undefined && { iss: issuer }),
        ...(audience !== undefined && { aud: audience }),
        ...claims,
      },
      { key: secret },
    );
  }
}
