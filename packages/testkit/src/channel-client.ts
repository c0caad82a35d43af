import { WebSocket } from 'ws';

export interface ChannelReply {
  readonly status: 'ok' | 'error';
  // biome-ignore lint/suspicious/noExplicitAny: tests look into responses of any shape
  readonly response: any;
}

/** Hears what the server pushes, replies aside. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into payloads of any shape
export type OnPush = (topic: string, event: string, payload: any) => void;

/** The connection is gone: what it had not answered may or may not have happened. */
export class ConnectionLost extends Error {
  constructor(code: number) {
    super(`the connection was lost (${code})`);
    this.name = 'ConnectionLost';
  }
}

/** Twice what phoenix.js waits: the server owes an answer within 8 s. */
const answerTimeoutMs = 20_000;

interface Waiting extends PromiseWithResolvers<ChannelReply> {
  readonly timer: NodeJS.Timeout;
}

/** One connection that awaits replies, for loads: it never connects again, and repeats nothing by itself. */
export class ChannelClient implements AsyncDisposable {
  readonly #ws: WebSocket;
  readonly #waiting = new Map<string, Waiting>();
  readonly #closed = Promise.withResolvers<number>();
  readonly #onPush: OnPush;
  #lastRef = 0;

  /** Connects to `url`, the whole address without `vsn`. Throws when that fails. */
  static async open(url: string, onPush: OnPush = () => {}): Promise<ChannelClient> {
    const address = new URL(url);
    address.searchParams.set('vsn', '2.0.0');
    const ws = new WebSocket(address);
    const opened = Promise.withResolvers<void>();
    ws.once('open', () => opened.resolve());
    ws.on('error', (error) => opened.reject(error));
    const client = new ChannelClient(ws, onPush);
    await opened.promise;
    return client;
  }

  private constructor(ws: WebSocket, onPush: OnPush) {
    this.#ws = ws;
    this.#onPush = onPush;
    ws.on('message', (data) => this.#receive(data.toString()));
    ws.on('close', (code) => this.#fail(code));
  }

  /** The code that it was closed with. */
  get closed(): Promise<number> {
    return this.#closed.promise;
  }

  get isOpen(): boolean {
    return this.#ws.readyState === this.#ws.OPEN;
  }

  join(topic: string, payload: object = {}): Promise<ChannelReply> {
    return this.push(topic, 'phx_join', payload);
  }

  /** Pushes, and waits for the reply. Rejects with `ConnectionLost` when there will be none. */
  push(topic: string, event: string, payload: object): Promise<ChannelReply> {
    if (!this.isOpen) return Promise.reject(new ConnectionLost(0));
    this.#lastRef += 1;
    const ref = String(this.#lastRef);
    const answer = Promise.withResolvers<ChannelReply>();
    const timer = setTimeout(
      () => answer.reject(new Error(`no reply to ${event} on ${topic} within ${answerTimeoutMs} ms`)),
      answerTimeoutMs,
    );
    this.#waiting.set(ref, { ...answer, timer });
    this.#ws.send(JSON.stringify([event === 'phx_join' ? ref : null, ref, topic, event, payload]));
    return answer.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ws.terminate();
    await this.closed;
  }

  #receive(text: string): void {
    const [, ref, topic, event, payload] = JSON.parse(text);
    if (event !== 'phx_reply') {
      this.#onPush(topic, event, payload);
      return;
    }
    const waiting = this.#waiting.get(ref);
    this.#waiting.delete(ref);
    clearTimeout(waiting?.timer);
    waiting?.resolve(payload);
  }

  #fail(code: number): void {
    for (const { timer, reject } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new ConnectionLost(code));
    }
    this.#waiting.clear();
    this.#closed.resolve(code);
  }
}
