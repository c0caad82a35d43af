import { WireSocket } from './wire-socket.ts';

/** A push of the server, as its JSON has it. */
export interface Push {
  readonly topic: string;
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: payloads are read by those who know their event
  readonly payload: any;
}

export interface Reply {
  readonly status: string;
  // biome-ignore lint/suspicious/noExplicitAny: responses are read by those who know their call
  readonly response: any;
}

export interface ChannelSocketOptions {
  /** Sees each frame first, as bytes that are valid during the call only. True: it need not be parsed. */
  readonly onFrame?: (bytes: Buffer) => boolean;
  /** Hears of what is no reply. */
  readonly onPush?: (push: Push) => void;
  readonly onClosed?: () => void;
  readonly heartbeatMs?: number;
}

type OnReply = (reply: Reply) => void;

/** A server owes an answer within 8 s; a machine that is full may take longer to read it. */
const answerTimeoutMs = 30_000;
/** As official clients do: a server closes a socket that says nothing for a minute. */
export const usualHeartbeatMs = 30_000;

/** A client of the Phoenix Channels protocol, V2, that makes no promise for each message. */
export class ChannelSocket {
  readonly #wire: WireSocket;
  readonly #waiting = new Map<string, OnReply>();
  readonly #joinRefs = new Map<string, string>();
  readonly #onFrame: (bytes: Buffer) => boolean;
  readonly #onPush: (push: Push) => void;
  readonly #onClosed: () => void;
  readonly #heartbeatMs: number;
  #heart: NodeJS.Timeout;
  #heartbeats = 0;
  #lastRef = 0;

  /** Connects to the address of a socket, with its parameters but `vsn`. */
  static async open(url: string, options: ChannelSocketOptions = {}): Promise<ChannelSocket> {
    const address = new URL(url);
    address.searchParams.set('vsn', '2.0.0');
    return new ChannelSocket(await WireSocket.open(address.href), options);
  }

  private constructor(wire: WireSocket, options: ChannelSocketOptions) {
    this.#wire = wire;
    this.#onFrame = options.onFrame ?? (() => false);
    this.#onPush = options.onPush ?? (() => {});
    this.#onClosed = options.onClosed ?? (() => {});
    this.#heartbeatMs = options.heartbeatMs ?? usualHeartbeatMs;
    // Sockets that know nothing of each other beat at any time, and not all at once.
    this.#heart = setTimeout(() => this.#beat(), Math.random() * this.#heartbeatMs).unref();
    wire.listen({ onText: (bytes) => this.#receive(bytes), onClosed: () => this.#end() });
  }

  get isOpen(): boolean {
    return this.#wire.isOpen;
  }

  /** Heartbeats that were answered. */
  get heartbeats(): number {
    return this.#heartbeats;
  }

  /** Joins a topic. Returns the response; throws when it is refused or not answered. */
  async join(topic: string, params: object = {}): Promise<Reply['response']> {
    const { status, response } = await this.ask(topic, 'phx_join', params);
    if (status === 'ok') return response;
    throw new Error(`the join of ${topic} was refused: ${JSON.stringify(response)}`);
  }

  /** Pushes, and waits for the answer. Throws when there is none. */
  async ask(topic: string, event: string, payload: object = {}): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const timer = setTimeout(() => reject(new Error(`no answer to ${event} of ${topic}`)), answerTimeoutMs);
    this.push(topic, event, JSON.stringify(payload), resolve);
    return promise.finally(() => clearTimeout(timer));
  }

  /**
   * Pushes a payload that is JSON text already; `onReply` is called once there is an answer, if ever, and
   * before anything behind that is looked at. The end of the connection is an answer, too: `closed`.
   */
  push(topic: string, event: string, payloadJson: string, onReply?: OnReply): void {
    this.#lastRef += 1;
    const ref = String(this.#lastRef);
    if (onReply !== undefined) this.#waiting.set(ref, onReply);
    if (event === 'phx_join') this.#joinRefs.set(topic, ref);
    const joinRef = this.#joinRefs.get(topic);
    this.#wire.send(`[${joinRef ? `"${joinRef}"` : null},"${ref}","${topic}","${event}",${payloadJson}]`);
  }

  close(): void {
    this.#wire.close();
  }

  #beat(): void {
    this.#heart = setTimeout(() => this.#beat(), this.#heartbeatMs).unref();
    this.push('phoenix', 'heartbeat', '{}', ({ status }) => {
      if (status === 'ok') this.#heartbeats += 1;
    });
  }

  #receive(bytes: Buffer): void {
    if (this.#onFrame(bytes)) return;
    const [, ref, topic, event, payload] = JSON.parse(bytes.toString());
    if (event !== 'phx_reply') {
      this.#onPush({ topic, event, payload });
      return;
    }
    const onReply = this.#waiting.get(ref);
    this.#waiting.delete(ref);
    onReply?.(payload);
  }

  #end(): void {
    clearTimeout(this.#heart);
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    // Who is told may push again at once: that is not told again, or it would go on without end.
    for (const onReply of waiting) onReply({ status: 'closed', response: null });
    this.#onClosed();
  }
}
