import { setTimeout as sleep } from 'node:timers/promises';
import { callApi, signToken } from '@fleetlm/testkit';
import { inTurns } from './in-turns.ts';

/** A server of FleetLM's protocol, ours or somebody else's: what a scenario needs of it. */
export interface ChatServer {
  readonly url: string;
  /** Its process; null when it is somebody else's. */
  readonly pid: number | null;
  /** Direct sessions of user:a1 and user:b1, user:a2 and user:b2, …, made if need be. */
  sessions(count: number): Promise<readonly DirectSession[]>;
  /** Where a participant's socket connects to, with its parameters but `vsn`. */
  socketUrl(participantId: string): Promise<string>;
  /** A REST call, as often as it takes; throws a `RefusedCall` when it does not succeed. */
  call(method: string, path: string, body?: object): Promise<Record<string, unknown>>;
}

export interface DirectSession {
  readonly id: string;
  readonly initiatorId: string;
  readonly peerId: string;
}

export interface ChatServerOptions {
  readonly url: string;
  readonly pid: number | null;
  /** Null: the server checks no tokens, and who connects says who it is. */
  readonly secret: string | null;
  /** The server knows user:a1, user:b1 and so on, and has no call to make them. */
  readonly hasParticipants: boolean;
}

/** A call that was answered, and with no success. */
export class RefusedCall extends Error {
  readonly status: number;

  constructor(call: string, status: number, body: unknown) {
    super(`${call} was answered with ${status}: ${JSON.stringify(body)}`);
    this.name = 'RefusedCall';
    this.status = status;
  }
}

/** Too many calls, or too much to do: what prepares a scenario waits for its turn. */
const retryable = new Set([429, 503]);
const maxTries = 10;
const retryMs = 100;

export function chatServer(options: ChatServerOptions): ChatServer {
  const { url, pid, secret, hasParticipants } = options;
  const call = callerOf(options);
  const known: DirectSession[] = [];
  return {
    url,
    pid,
    call,
    async sessions(count) {
      const missing = Array.from({ length: count - known.length }, (_, n) => known.length + n);
      await inTurns(missing, async (index) => {
        known[index] = await addSession(call, index + 1, hasParticipants);
      });
      return known.slice(0, count);
    },
    async socketUrl(participantId) {
      const address = new URL('/socket/websocket', url.replace('http', 'ws'));
      address.searchParams.set('participant_id', participantId);
      if (secret !== null) address.searchParams.set('token', await sign(secret, { sub: participantId }));
      return address.href;
    },
  };
}

function callerOf({ url, secret }: ChatServerOptions): ChatServer['call'] {
  return async (method, path, body) => {
    const token = secret && (await sign(secret, { sub: 'service:bench', role: 'service' }));
    for (let tries = 1; ; tries += 1) {
      const answer = await callApi(url, method, path, { ...(token && { token }), ...(body && { body }) });
      if (answer.status < 300) return answer.body;
      if (!retryable.has(answer.status) || tries === maxTries)
        throw new RefusedCall(`${method} ${path}`, answer.status, answer.body);
      await sleep(tries * retryMs);
    }
  };
}

async function addSession(
  call: ChatServer['call'],
  n: number,
  hasParticipants: boolean,
): Promise<DirectSession> {
  const [initiatorId, peerId] = [`user:a${n}`, `user:b${n}`];
  if (!hasParticipants)
    await Promise.all([initiatorId, peerId].map((id) => call('PUT', `/api/participants/${id}`, {})));
  const body = await call('POST', '/api/sessions', { initiator_id: initiatorId, peer_id: peerId });
  // Another server may answer with the session itself.
  const { id } = (body['session'] ?? body) as { id: string };
  return { id, initiatorId, peerId };
}

function sign(secret: string, claims: Record<string, string>): Promise<string> {
  return signToken(claims, { key: secret });
}
