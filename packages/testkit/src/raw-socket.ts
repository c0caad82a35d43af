import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';

export interface RawSocketOptions {
  /** `vsn` parameter; null leaves it out. Default `2.0.0`. */
  readonly vsn?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Subprotocols to offer. */
  readonly protocols?: readonly string[];
}

export interface ClosedSocket {
  readonly code: number;
  readonly reason: string;
}

/** The server answered the handshake with something other than 101. */
export class HandshakeRefused extends Error {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;

  constructor(response: IncomingMessage, body: string) {
    super(`the handshake was answered with ${response.statusCode}`);
    this.name = 'HandshakeRefused';
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    this.body = body;
  }
}

/** A frame as a test sees it: parsed JSON (an array with V2, an object with V1), or the bytes of a binary one. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into frames of any shape
export type RawFrame = any;

/** How long a test waits for a frame or a close. */
const waitMs = 5_000;

/** A client that speaks single frames, for tests of the wire. */
export class RawSocket implements AsyncDisposable {
  /** Every text as it came, in order. */
  readonly texts: string[] = [];
  /** The payload of every pong. */
  readonly pongs: string[] = [];
  readonly #ws: WebSocket;
  readonly #unread: RawFrame[] = [];
  readonly #watchers = new Set<() => void>();
  #closed: ClosedSocket | null = null;
  #settles = 0;

  /** Connects to `url`, the whole address without `vsn`. Throws `HandshakeRefused`. */
  static open(url: string, { vsn = '2.0.0', headers = {}, protocols = [] }: RawSocketOptions = {}) {
    const target = new URL(url);
    if (vsn !== null) target.searchParams.set('vsn', vsn);
    const ws = new WebSocket(target, [...protocols], { headers: { ...headers } });
    const socket = Promise.withResolvers<RawSocket>();
    const raw = new RawSocket(ws);
    ws.on('error', (error) => socket.reject(error));
    ws.on('unexpected-response', (_request, response) => {
      void readBody(response).then((body) => socket.reject(new HandshakeRefused(response, body)));
    });
    ws.on('open', () => socket.resolve(raw));
    return socket.promise;
  }

  private constructor(ws: WebSocket) {
    this.#ws = ws;
    ws.on('message', (data, isBinary) => this.#take(data as Buffer, isBinary));
    ws.on('pong', (payload) => void this.pongs.push(payload.toString()));
    ws.on('close', (code, reason) => {
      this.#closed = { code, reason: reason.toString() };
      this.#notify();
    });
  }

  /** The subprotocol that the server chose, or "". */
  get protocol(): string {
    return this.#ws.protocol;
  }

  /** Sends JSON; a string goes as it is, bytes go as a binary frame. */
  send(frame: unknown): void {
    const isRaw = typeof frame === 'string' || frame instanceof Uint8Array;
    this.#ws.send(isRaw ? frame : JSON.stringify(frame));
  }

  /** Takes the first unread frame that fits. */
  async next(predicate: (frame: RawFrame) => boolean = () => true): Promise<RawFrame> {
    const [frame] = await this.#until('a frame', () => {
      const found = this.#unread.findIndex(predicate);
      return found === -1 ? null : this.#unread.splice(found, 1);
    });
    return frame;
  }

  /** Takes the next `count` frames. */
  async take(count: number): Promise<RawFrame[]> {
    return this.#until(`${count} frames`, () =>
      this.#unread.length >= count ? this.#unread.splice(0, count) : null,
    );
  }

  /** Sends a heartbeat, waits for its answer, and takes the frames that came before it. */
  async settle(): Promise<RawFrame[]> {
    this.#settles += 1;
    const ref = `settle-${this.#settles}`;
    this.send([null, ref, 'phoenix', 'heartbeat', {}]);
    const frames = await this.#until('the answer to a heartbeat', () => {
      const found = this.#unread.findIndex((frame) => frame[1] === ref);
      return found === -1 ? null : this.#unread.splice(0, found + 1);
    });
    return frames.slice(0, -1);
  }

  /** Takes what has come and was not read. */
  unread(): RawFrame[] {
    return this.#unread.splice(0);
  }

  /** How the connection ended. */
  get closed(): Promise<ClosedSocket> {
    return this.#until('the close', () => this.#closed, true);
  }

  /** Stops reading: what the server sends stays in the kernel's buffers. */
  pause(): void {
    this.#tcp.pause();
  }

  resume(): void {
    this.#tcp.resume();
  }

  /** Writes bytes below the WebSocket layer, for frames that no client would send. */
  writeBytes(bytes: Uint8Array): void {
    this.#tcp.write(bytes);
  }

  close(code = 1000): Promise<ClosedSocket> {
    this.#ws.close(code);
    return this.closed;
  }

  /** Goes away without a word. */
  terminate(): void {
    this.#ws.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ws.terminate();
    await this.closed;
  }

  /** ws keeps it private; the client side of a test may look. */
  get #tcp(): Socket {
    return (this.#ws as unknown as { readonly _socket: Socket })._socket;
  }

  #take(data: Buffer, isBinary: boolean): void {
    if (isBinary) this.#unread.push(data);
    else {
      const text = data.toString();
      this.texts.push(text);
      this.#unread.push(JSON.parse(text));
    }
    this.#notify();
  }

  #notify(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** Waits for what `read` returns. It may take frames: after its first find it is not called again. */
  #until<T>(what: string, read: () => T | null, isClose = false): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const fail = (why: string) =>
      reject(new Error(`${why} while waiting for ${what}; frames so far:\n${this.texts.join('\n')}`));
    const timer = setTimeout(() => fail(`${waitMs} ms passed`), waitMs);
    const check = () => {
      const value = read();
      if (value !== null) {
        this.#watchers.delete(check);
        resolve(value);
      } else if (this.#closed !== null && !isClose) fail(`closed with ${this.#closed.code}`);
    };
    this.#watchers.add(check);
    check();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#watchers.delete(check);
    });
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
