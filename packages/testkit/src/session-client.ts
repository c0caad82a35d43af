import { type RawFrame, RawSocket } from './raw-socket.ts';

/** What a frame was answered with. */
export interface ChannelAnswer {
  readonly status: 'ok' | 'error';
  readonly response: RawFrame;
}

/** What the server said in the session without being asked. */
export interface SessionPush {
  readonly event: string;
  readonly payload: RawFrame;
}

/**
 * One raw V2 socket in one session: joins, sends, and knows every message that it was shown. It keeps no cursor
 * of its own: a test says where a join begins.
 */
export class SessionClient implements AsyncDisposable {
  readonly socket: RawSocket;
  readonly topic: string;
  readonly #seqs: number[] = [];
  #textsRead = 0;
  #refs = 0;
  #joinRef: string | null = null;

  /** Connects to `url`, a test server's `socketUrl`. */
  static async open(url: string, sessionId: string): Promise<SessionClient> {
    return new SessionClient(await RawSocket.open(url), `session:${sessionId}`);
  }

  private constructor(socket: RawSocket, topic: string) {
    this.socket = socket;
    this.topic = topic;
  }

  /** The seq of every message it was shown, by join replies, pushes and broadcasts, as they came. */
  get seqs(): readonly number[] {
    for (; this.#textsRead < this.socket.texts.length; this.#textsRead += 1) {
      this.#note(JSON.parse(this.socket.texts[this.#textsRead]!));
    }
    return this.#seqs;
  }

  /** Everything it was pushed, as it came. */
  get pushes(): readonly SessionPush[] {
    return this.socket.texts.flatMap((text) => {
      const [, , topic, event, payload] = JSON.parse(text);
      return topic === this.topic && event !== 'phx_reply' ? [{ event, payload }] : [];
    });
  }

  join(payload: object = {}): Promise<ChannelAnswer> {
    this.#joinRef = String(this.#refs + 1);
    return this.push('phx_join', payload);
  }

  /** Sends a frame, and waits for the answer to it. */
  async push(event: string, payload: unknown = {}): Promise<ChannelAnswer> {
    return this.answerTo(this.write(event, payload));
  }

  /** Sends a frame; returns its ref. */
  write(event: string, payload: unknown = {}): string {
    this.#refs += 1;
    const ref = String(this.#refs);
    this.socket.send([this.#joinRef, ref, this.topic, event, payload]);
    return ref;
  }

  async answerTo(ref: string): Promise<ChannelAnswer> {
    const frame = await this.socket.next((each) => each[3] === 'phx_reply' && each[1] === ref);
    return frame[4];
  }

  /** Sends a text; throws unless it is stored. Returns its seq. */
  async say(text: string): Promise<number> {
    const answer = await this.push('send', { content: { content: { text } } });
    if (answer.status !== 'ok') throw new Error(`not stored: ${JSON.stringify(answer.response)}`);
    return answer.response.message.seq;
  }

  /** Sends `count` texts at once, and waits until the last of them is answered. */
  async sayMany(count: number): Promise<void> {
    const refs = Array.from({ length: count }, (_, n) =>
      this.write('send', { content: { content: { text: String(n) } } }),
    );
    for (const ref of refs) await this.answerTo(ref);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.socket[Symbol.asyncDispose]();
  }

  #note([joinRef, ref, topic, event, payload]: RawFrame): void {
    if (topic !== this.topic) return;
    if (event === 'message') this.#seqs.push(payload.seq);
    const isJoinReply = event === 'phx_reply' && ref === joinRef && payload.status === 'ok';
    if (isJoinReply) this.#seqs.push(...payload.response.messages.map((each: RawFrame) => each.seq));
  }
}
