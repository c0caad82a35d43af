import { callApi, signToken } from '@fleetlm/testkit';

/** A server of FleetLM's protocol, ours or somebody else's: what the portable scenarios need. */
export interface ChatServer {
  readonly url: string;
  /** Its process; null when it is somebody else's. */
  readonly pid: number | null;
  /** Direct sessions of user:a1 and user:b1, user:a2 and user:b2, …, made if need be. */
  sessions(count: number): Promise<readonly DirectSession[]>;
  /** Where a participant's socket connects to, with its parameters but `vsn`. */
  socketUrl(participantId: string): Promise<string>;
  /** A REST call; throws unless it succeeds. */
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

/** So many calls at a time prepare a scenario. */
const concurrency = 20;

export function chatServer({ url, pid, secret, hasParticipants }: ChatServerOptions): ChatServer {
  const call: ChatServer['call'] = async (method, path, body) => {
    const token =
      secret === null ? {} : { token: await sign(secret, { sub: 'service:bench', role: 'service' }) };
    const answer = await callApi(url, method, path, { ...token, ...(body && { body }) });
    if (answer.status < 300) return answer.body;
    throw new Error(`${method} ${path} was answered with ${answer.status}: ${JSON.stringify(answer.body)}`);
  };
  const addParticipant = async (id: string) => {
    if (!hasParticipants) await call('PUT', `/api/participants/${id}`, {});
  };
  const known: DirectSession[] = [];
  const addSession = async (n: number) => {
    const [initiatorId, peerId] = [`user:a${n}`, `user:b${n}`];
    await Promise.all([addParticipant(initiatorId), addParticipant(peerId)]);
    const body = await call('POST', '/api/sessions', { initiator_id: initiatorId, peer_id: peerId });
    // The original answers with the session itself.
    const { id } = (body['session'] ?? body) as { id: string };
    known[n - 1] = { id, initiatorId, peerId };
  };
  return {
    url,
    pid,
    call,
    async sessions(count) {
      const missing = Array.from({ length: count - known.length }, (_, n) => known.length + n + 1);
      await inTurns(missing, addSession);
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

/** `work` for each item, some at a time. */
export async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items[Symbol.iterator]();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

function sign(secret: string, claims: Record<string, string>): Promise<string> {
  return signToken(claims, { key: secret });
}
