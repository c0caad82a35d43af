import { isWhole, readTokens, type StreamOrder, sharedNowMs } from '../agents/stream-text.ts';
import type { ChannelSocket, Push } from './channel-socket.ts';

/** From the first to the last of something, by the clock of the machine. */
export interface Span {
  readonly firstMs: number;
  readonly lastMs: number;
}

/** What a reader has seen of one stream. */
export interface ReadStream {
  readonly askedMs: number;
  /** When the first and the last chunk came, and when their agent wrote them. */
  readonly came: Span;
  readonly written: Span;
  /** How long each chunk was on its way. */
  readonly timesMs: readonly number[];
  /** What was not as it should be: the first of it. */
  readonly failure: string | null;
}

/** After the time that its agent takes: a stream ends within 12 s of its agent's, and a machine may be full. */
const endTimeoutMs = 30_000;

const terminals: ReadonlySet<string> = new Set(['finish', 'abort', 'error']);

/**
 * One who asks an agent, and reads its answer. A stream is as it should be when its chunks have come in order
 * and without a gap, ended with one `finish`, and the stored message is the text that was streamed, and sent.
 */
export class StreamReader {
  readonly #socket: Pick<ChannelSocket, 'ask'>;
  readonly #topic: string;
  #stream: Reading | null = null;

  constructor(socket: Pick<ChannelSocket, 'ask'>, topic: string) {
    this.#socket = socket;
    this.#topic = topic;
  }

  /** Asks, and resolves when the answer is stored, or is not to be had. */
  async ask({
    chunks,
    perSecond,
  }: {
    readonly chunks: number;
    readonly perSecond: number;
  }): Promise<ReadStream> {
    const stream = new Reading(chunks);
    this.#stream = stream;
    const order: StreamOrder = { chunks, per_second: perSecond };
    const timeoutMs = (chunks / perSecond) * 1_000 + endTimeoutMs;
    const timer = setTimeout(() => stream.end('not ended in time'), timeoutMs);
    const { status, response } = await this.#socket.ask(this.#topic, 'send', { content: { content: order } });
    if (status !== 'ok') stream.end(`question refused: ${JSON.stringify(response)}`);
    await stream.ended.finally(() => clearTimeout(timer));
    return stream;
  }

  receive({ event, payload }: Push): void {
    if (event === 'stream_chunk') this.#stream?.takeChunk(payload);
    if (event === 'message') this.#stream?.takeMessage(payload);
  }

  fail(reason: string): void {
    this.#stream?.end(reason);
  }
}

interface StreamChunk {
  readonly message_id: string;
  readonly index: number;
  readonly chunk: { readonly type: string; readonly delta?: string };
}

interface Message {
  readonly id: string;
  readonly sender_id: string | null;
  readonly kind: string;
  readonly content: {
    readonly parts?: readonly { readonly type: string; readonly text?: string }[];
    readonly text?: string;
  };
  readonly metadata: { readonly termination?: string };
}

const nothingYet: Span = { firstMs: Number.POSITIVE_INFINITY, lastMs: Number.NEGATIVE_INFINITY };

/** Times come in order. */
function extend({ firstMs }: Span, ms: number): Span {
  return { firstMs: Math.min(firstMs, ms), lastMs: ms };
}

/** One stream as it comes. */
class Reading implements ReadStream {
  readonly askedMs = sharedNowMs();
  readonly timesMs: number[] = [];
  came: Span = nothingYet;
  written: Span = nothingYet;
  failure: string | null = null;
  readonly #chunks: number;
  readonly #ended = Promise.withResolvers<void>();
  #nextIndex = 0;
  #messageId = '';
  #text = '';
  #terminal: string | null = null;

  constructor(chunks: number) {
    this.#chunks = chunks;
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  takeChunk({ message_id: messageId, index, chunk }: StreamChunk): void {
    if (this.#terminal !== null) this.#note('a chunk after the terminal one');
    if (index !== this.#nextIndex) this.#note('a gap in the indexes');
    this.#nextIndex += 1;
    this.#messageId = messageId;
    if (chunk.type === 'text-delta') this.#takeText(chunk.delta!);
    if (terminals.has(chunk.type)) this.#terminal = chunk.type;
  }

  /** The agent's ends it; the question comes as well. */
  takeMessage(message: Message): void {
    if (message.kind === 'system') this.end(`said by the system: ${message.content.text}`);
    else if (message.sender_id?.startsWith('agent:')) this.#takeAnswer(message);
  }

  end(failure: string): void {
    this.#note(failure);
    this.#ended.resolve();
  }

  #takeAnswer({ id, content, metadata }: Message): void {
    const text = (content.parts ?? []).map((part) => part.text ?? '').join('');
    if (this.#terminal !== 'finish') this.#note(`ended with ${this.#terminal ?? 'no terminal chunk'}`);
    if (metadata.termination !== 'finish') this.#note(`stored as ${metadata.termination}`);
    if (id !== this.#messageId) this.#note('stored under another id');
    if (text !== this.#text) this.#note('stored text is not the streamed one');
    if (this.timesMs.length !== this.#chunks || !isWhole(text)) this.#note('stored text is not the sent one');
    this.#ended.resolve();
  }

  #takeText(delta: string): void {
    const nowMs = sharedNowMs();
    this.#text += delta;
    for (const { index, writtenMs } of readTokens(delta)) {
      if (index !== this.timesMs.length) this.#note('a chunk lost, or out of order');
      this.timesMs.push(nowMs - writtenMs);
      this.came = extend(this.came, nowMs);
      this.written = extend(this.written, writtenMs);
    }
  }

  #note(failure: string): void {
    this.failure ??= failure;
  }
}
