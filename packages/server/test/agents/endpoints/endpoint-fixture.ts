import { type ApiAnswer, startTestServer, type TestServer, type TestServerOptions } from '@fleetlm/testkit';
import { Client } from 'pg';

export type Row = Readonly<Record<string, unknown>>;

/** A server with agents, and a look at its tables. */
export class EndpointFixture implements AsyncDisposable {
  readonly server: TestServer;
  readonly #pg: Client;
  #agents = 0;

  static async start(options: TestServerOptions = {}): Promise<EndpointFixture> {
    const server = await startTestServer(options);
    const pg = new Client(server.database.target);
    await pg.connect();
    return new EndpointFixture(server, pg);
  }

  private constructor(server: TestServer, pg: Client) {
    this.server = server;
    this.#pg = pg;
  }

  /** The id of a new agent. */
  async newAgent(): Promise<string> {
    this.#agents += 1;
    const id = `agent:${this.#agents}`;
    await this.server.api('PUT', `/api/participants/${id}`, { body: {} });
    return id;
  }

  /** The id of a new agent with an endpoint. */
  async newEndpoint(body: object): Promise<string> {
    const id = await this.newAgent();
    const { status, body: answer } = await this.put(id, body);
    if (status !== 200) throw new Error(`the endpoint was refused: ${JSON.stringify(answer)}`);
    return id;
  }

  call(method: string, id: string, path = '', body?: object): Promise<ApiAnswer> {
    return this.server.api(method, `/api/agents/${id}${path}`, { ...(body && { body }) });
  }

  put(id: string, body: object): Promise<ApiAnswer> {
    return this.call('PUT', id, '/endpoint', body);
  }

  get(id: string): Promise<ApiAnswer> {
    return this.call('GET', id, '/endpoint');
  }

  /** What a call of the endpoint with a sample comes to. */
  async test(id: string): Promise<ApiAnswer['body']> {
    const { body } = await this.call('POST', id, '/endpoint/test');
    return body.test ?? body;
  }

  async query(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#pg.query(text, [...values])).rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pg.end();
    await this.server[Symbol.asyncDispose]();
  }
}
