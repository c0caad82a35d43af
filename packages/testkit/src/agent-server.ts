import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A call as an agent gets it: the parsed body, and what came with it. */
export interface AgentCall {
  readonly headers: IncomingHttpHeaders;
  /** As it was signed. */
  readonly rawBody: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of any shape
  readonly data: any;
  /** Whether the caller has hung up before the answer was over. */
  readonly isAborted: () => boolean;
}

/** Writes the answer to a call. */
export type AnswerCall = (response: ServerResponse, call: AgentCall) => void | Promise<void>;

/** An agent that answers as a test wants it. It keeps every call. */
export class AgentServer implements AsyncDisposable {
  answer: AnswerCall;
  readonly calls: AgentCall[] = [];
  readonly #server: Server;

  static async start(answer: AnswerCall = answerText('Hello')): Promise<AgentServer> {
    const agent = new AgentServer(answer);
    const { promise, resolve } = Promise.withResolvers<void>();
    agent.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    return agent;
  }

  private constructor(answer: AnswerCall) {
    this.answer = answer;
    this.#server = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const bytes of request) parts.push(bytes);
      const rawBody = Buffer.concat(parts).toString();
      let isAborted = false;
      response.on('close', () => {
        isAborted = !response.writableFinished;
      });
      const { data } = JSON.parse(rawBody);
      const call = { headers: request.headers, rawBody, data, isAborted: () => isAborted };
      this.calls.push(call);
      await this.answer(response, call);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }
}

/** Begins an AI SDK event stream. */
export function beginStream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  writeChunk(response, { type: 'start' });
  writeChunk(response, { type: 'text-start', id: '1' });
}

export function writeChunk(response: ServerResponse, chunk: object): void {
  response.write(`data: ${JSON.stringify(chunk)}\n\n`);
}

export function writeDelta(response: ServerResponse, delta: string): void {
  writeChunk(response, { type: 'text-delta', id: '1', delta });
}

export function finishStream(response: ServerResponse): void {
  writeChunk(response, { type: 'text-end', id: '1' });
  writeChunk(response, { type: 'finish' });
  response.end('data: [DONE]\n\n');
}

/** Streams a text, word by word. */
export function answerText(text: string): AnswerCall {
  return (response) => {
    beginStream(response);
    for (const word of text.split(/(?<= )/)) writeDelta(response, word);
    finishStream(response);
  };
}

/** Answers with a whole body at once. */
export function answerWith(
  status: number,
  type: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): AnswerCall {
  return (response) => void response.writeHead(status, { 'content-type': type, ...headers }).end(body);
}
