import { type Overrides, parseConfig, Server } from 'fleetlm';
import { quietLog } from './quiet-log.ts';
import { acceptTestPostgres, type TestDatabase, testDatabase } from './test-database.ts';

export interface TestServerOptions {
  /** Environment variables beside those that a test server needs. */
  readonly env?: Readonly<Record<string, string>>;
  readonly overrides?: Overrides;
  /** A database to share, with another node for one. Default: one of its own. */
  readonly database?: TestDatabase;
}

/** A call's answer: status, headers, and the body, parsed if it is JSON. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of any shape
  readonly body: any;
}

/** A real server in this process, on a free port, with a database of its own. */
export interface TestServer extends AsyncDisposable {
  readonly server: Server;
  readonly database: TestDatabase;
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** `ws://127.0.0.1:port/socket`, for official clients. */
  readonly socketEndpoint: string;
  /** A REST call as the service, or as a participant. */
  api(method: string, path: string, options?: ApiOptions): Promise<ApiAnswer>;
  /** The address of a raw socket that acts as this participant, or as the service. */
  socketUrl(participantId?: string): string;
}

export interface ApiOptions {
  readonly as?: string;
  /** For servers that check tokens. */
  readonly token?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as `text/plain`. */
  readonly text?: string;
}

/** A test's own work holds up the event loop that the server measures: it must not be taken for overload. */
const sharedProcess = { FLEETLM_LOAD_LAG_MS: '60000', FLEETLM_APPEND_QUEUE_MS: '8000' };

/** Starts a server. Disposing of it stops it in order and drops its database. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  await using resources = new AsyncDisposableStack();
  const database = options.database ?? resources.use(await testDatabase());
  const config = parseConfig({
    PORT: '0',
    DATABASE_URL: database.url,
    ...sharedProcess,
    ...acceptTestPostgres,
    ...options.env,
  });
  const server = resources.use(new Server(config, { log: quietLog, ...options.overrides }));
  await server.start();
  const { url } = server;
  const socketEndpoint = `${url.replace('http', 'ws')}/socket`;
  const owned = resources.move();
  return {
    server,
    database,
    url,
    socketEndpoint,
    api: (method, path, apiOptions) => callApi(url, method, path, apiOptions),
    socketUrl: (participantId) => {
      const query = participantId === undefined ? '' : `?participant_id=${encodeURIComponent(participantId)}`;
      return `${socketEndpoint}/websocket${query}`;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** One REST call to the server at `url`. */
export async function callApi(
  url: string,
  method: string,
  path: string,
  { as, token, body, text: plain }: ApiOptions = {},
): Promise<ApiAnswer> {
  const response = await fetch(new URL(path, url), {
    method,
    headers: {
      // fetch writes a header as latin1; the server reads UTF-8.
      ...(as !== undefined && { 'x-participant-id': Buffer.from(as).toString('latin1') }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(plain !== undefined && { 'content-type': 'text/plain' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(plain !== undefined && { body: plain }),
  });
  const text = await response.text();
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? JSON.parse(text) : text || null,
  };
}
