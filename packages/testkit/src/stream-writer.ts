import { createConnection, type Socket } from 'node:net';

export interface StreamWriterOptions {
  readonly agentId: string;
  /** Whether the service writes for the agent. Default: the agent itself does. */
  readonly isByService?: boolean;
  readonly sessionId: string;
  /** Default: JSON lines. */
  readonly type?: string;
  readonly token?: string;
}

/** An agent that streams to the server at `url` over its own connection, piece by piece, as a test wants it. */
export class StreamWriter {
  received = '';
  isClosed = false;
  readonly #socket: Socket;

  constructor(url: string, options: StreamWriterOptions) {
    const { agentId, sessionId, type = 'application/x-ndjson', token, isByService = false } = options;
    this.#socket = createConnection(Number(new URL(url).port), '127.0.0.1');
    this.#socket.setEncoding('utf8').on('data', (text) => {
      this.received += text;
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.isClosed = true;
    });
    const caller = token === undefined ? `X-Participant-Id: ${agentId}` : `Authorization: Bearer ${token}`;
    const head = [
      `POST /api/sessions/${sessionId}/streams?agent_id=${agentId} HTTP/1.1`,
      'Host: localhost',
      ...(isByService ? [] : [caller]),
      `Content-Type: ${type}`,
      'Transfer-Encoding: chunked',
    ];
    this.send(`${head.join('\r\n')}\r\n\r\n`);
  }

  /** Sends a piece of the body. */
  write(text: string): void {
    this.send(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
  }

  /** Sends chunks, a line each. */
  writeLines(...chunks: readonly object[]): void {
    this.write(chunks.map((chunk) => `${JSON.stringify(chunk)}\n`).join(''));
  }

  /** Ends the body. */
  end(): void {
    this.send('0\r\n\r\n');
  }

  /** Sends bytes of the connection itself. */
  send(text: string): void {
    this.#socket.write(text);
  }

  /** Breaks off. */
  destroy(): void {
    this.#socket.destroy();
  }
}
