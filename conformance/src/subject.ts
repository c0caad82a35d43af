import {
  type ErrorCode,
  errorTable,
  type Message,
  type Problem,
  problemSchema,
  sessionReplySchema,
} from '@fleetlm/protocol';
import {
  disconnectPhoenix,
  type PhoenixSocket,
  type PhoenixVersion,
  phoenixClient,
} from '@fleetlm/testkit/phoenix-client';
import { HandshakeRefused, RawSocket, type RawSocketOptions } from '@fleetlm/testkit/raw-socket';
import type { z } from 'zod';
import { Skipped } from './case.ts';
import { FrameSocket } from './frame-socket.ts';
import { TokenIdentity } from './identity.ts';
import { check, Mismatch } from './mismatch.ts';
import { holding } from './pattern.ts';
import type { Target } from './target.ts';

export interface CallOptions {
  /** Who calls; the service when left out. */
  readonly as?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, as `application/json` unless `headers` say otherwise. */
  readonly rawBody?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON; the text when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: cases look into bodies of any shape
  readonly body: any;
}

export interface ConnectOptions extends RawSocketOptions {
  /** Parameters beside those that say who connects. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** A session, and the people in it. */
export interface Conversation {
  readonly id: string;
  /** Its topic. */
  readonly T: string;
  /** Its initiator. */
  readonly alice: string;
  readonly bob: string;
}

/** Long enough for a server far away that is busy. */
const callMs = 15_000;

/** The server, as one case has it: with people and sessions of its own, and sockets that end with the case. */
export class Subject implements AsyncDisposable {
  readonly target: Target;
  readonly #resources = new AsyncDisposableStack();

  constructor(target: Target) {
    this.target = target;
  }

  /** Somebody new. */
  async person(kind: 'user' | 'agent' = 'user'): Promise<string> {
    const id = this.target.newId(kind);
    const { status } = await this.call('PUT', `/api/participants/${id}`, { body: { kind } });
    // A server without this call knows participants by itself.
    if (status >= 400 && status !== 404 && status !== 405) check(status, 200);
    return id;
  }

  pair(): Promise<[string, string]> {
    return Promise.all([this.person(), this.person()]);
  }

  /** A direct session of two people. */
  async conversation(): Promise<Conversation> {
    const [alice, bob] = await this.pair();
    const id = await this.session({ initiator_id: alice, peer_id: bob });
    return { id, T: `session:${id}`, alice, bob };
  }

  /** A group of three people. */
  async group(): Promise<Conversation & { readonly carol: string }> {
    const [[alice, bob], carol] = await Promise.all([this.pair(), this.person()]);
    const id = await this.session({ kind: 'group', initiator_id: alice, member_ids: [bob, carol] });
    return { id, T: `session:${id}`, alice, bob, carol };
  }

  async session(body: object): Promise<string> {
    const answer = await this.call('POST', '/api/sessions', { body });
    return this.shaped(answer, 201, sessionReplySchema).session.id;
  }

  /** Appends texts over REST, one after the other. */
  async say({ id, alice }: Conversation, ...texts: readonly string[]): Promise<Message[]> {
    const messages: Message[] = [];
    for (const text of texts) {
      const body = { content: { text } };
      const answer = await this.call('POST', `/api/sessions/${id}/messages`, { as: alice, body });
      check(answer.status, 200);
      messages.push(answer.body.message);
    }
    return messages;
  }

  /** Something that ends with the case. */
  use<Resource extends AsyncDisposable>(resource: Resource): Resource {
    return this.#resources.use(resource);
  }

  /** A socket of a participant; of the service when that is null. */
  async connect(as: string | null, options: ConnectOptions = {}): Promise<FrameSocket> {
    const url = await this.#socketUrl(as, options.parameters);
    return this.#resources.use(new FrameSocket(await RawSocket.open(url, options)));
  }

  /** A socket that says who it is by `options` alone. */
  async connectAsNobody(options: ConnectOptions): Promise<FrameSocket> {
    return this.#resources.use(new FrameSocket(await RawSocket.open(this.#anonymousUrl(options), options)));
  }

  /** A socket that has joined `topic` with this join_ref. */
  async joined(as: string | null, topic: string, joinRef = '3'): Promise<FrameSocket> {
    const socket = await this.connect(as);
    socket.C([joinRef, joinRef, topic, 'phx_join', {}]);
    await socket.S([joinRef, joinRef, topic, 'phx_reply', holding({ status: 'ok' })]);
    return socket;
  }

  /** Expects the handshake to be refused with this status, and an empty body. */
  async refused(status: number, as: string | null, options: ConnectOptions = {}): Promise<void> {
    return this.#refusedAt(await this.#socketUrl(as, options.parameters), status, options);
  }

  /** The same for a socket that is no participant's. */
  async refusedAsNobody(status: number, options: ConnectOptions = {}): Promise<void> {
    return this.#refusedAt(this.#anonymousUrl(options), status, options);
  }

  /** An official client. It is connected, or about to be. */
  async client(
    version: PhoenixVersion,
    as: string | null,
    options: Parameters<typeof phoenixClient>[2] = {},
  ): Promise<PhoenixSocket> {
    const params = await this.target.identity.parametersOf(as);
    const socket = phoenixClient(version, this.target.socketEndpoint, { params, ...options });
    // A client that still reconnects would keep the process busy.
    this.#resources.defer(() => disconnectPhoenix(socket));
    return socket;
  }

  /** A REST call as the service, or as somebody. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const identity = await this.target.identity.headersOf(options.as ?? null);
    return this.callAsNobody(method, path, { ...options, headers: { ...identity, ...options.headers } });
  }

  async callAsNobody(method: string, path: string, { body, rawBody, headers }: CallOptions): Promise<Answer> {
    const text = rawBody ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(new URL(path, this.target.url), {
      method,
      headers: { ...(text !== undefined && { 'content-type': 'application/json' }), ...headers },
      signal: AbortSignal.timeout(callMs),
      ...(text !== undefined && { body: text }),
    });
    return { status: response.status, headers: response.headers, body: parseBody(await response.text()) };
  }

  /** Expects this status and shape of a reply. Returns it as the shape has it; unknown fields are tolerated. */
  shaped<Schema extends z.ZodType>({ status, body }: Answer, expected: number, schema: Schema) {
    if (status !== expected) throw new Mismatch({ expected: `status ${expected}`, seen: { status, body } });
    return shaped(body, schema);
  }

  /** Expects a REST call to have been refused with this code, in the form of RFC 9457. */
  problem({ status, headers, body }: Answer, code: ErrorCode): Problem {
    const { title, retryable, status: expected } = errorTable[code];
    check(body, holding({ code }));
    const problem = shaped(body, problemSchema);
    check(problem, holding({ status: expected, title, retryable }));
    check(status, expected);
    check(headers.get('content-type')?.split(';', 1)[0], 'application/problem+json');
    check(headers.get('x-request-id'), problem.request_id);
    if (expected === 429 || expected === 503) check(Number(headers.get('retry-after')) > 0, true);
    return problem;
  }

  /** The tokens of a server that checks them. */
  get tokens(): TokenIdentity {
    const { identity } = this.target;
    if (identity instanceof TokenIdentity) return identity;
    throw new Skipped('the server checks no tokens');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  async #refusedAt(url: string, status: number, options: RawSocketOptions): Promise<void> {
    const error = await RawSocket.open(url, options).then(
      async (socket) => {
        await socket[Symbol.asyncDispose]();
        return new Mismatch({ expected: `status ${status}`, seen: 'status 101' });
      },
      (reason: unknown) => reason,
    );
    if (!(error instanceof HandshakeRefused)) throw error;
    check({ status: error.status, body: error.body }, { status, body: '' });
  }

  #anonymousUrl({ parameters = {} }: ConnectOptions): string {
    return `${this.target.socketEndpoint}/websocket?${new URLSearchParams(parameters)}`;
  }

  async #socketUrl(as: string | null, parameters: Readonly<Record<string, string>> = {}): Promise<string> {
    const identity = await this.target.identity.parametersOf(as);
    const query = new URLSearchParams({ ...identity, ...parameters });
    return `${this.target.socketEndpoint}/websocket?${query}`;
  }
}

/** Expects a value to be of this shape. Returns it as the shape has it; unknown fields are tolerated. */
export function shaped<Schema extends z.ZodType>(value: unknown, schema: Schema): z.infer<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new Mismatch({ expected: `a shape without: ${problems.join('; ')}`, seen: value });
}

/** JSON as its value, and anything else as its text: a proxy may have answered. */
export function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
