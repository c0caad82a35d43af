import { setTimeout as delay } from 'node:timers/promises';
import type { SeenMessage, WantedMessage } from './append-oracle.ts';
import { ChannelClient, ConnectionLost } from './channel-client.ts';
import { type ServerUnderLoad, socketUrlOf } from './spawned-server.ts';
import { waitUntil } from './wait-until.ts';

/** Where a message is stored. Whoever gets null instead must send it again. */
export interface Acknowledgement {
  readonly id: string;
  readonly seq: number;
}

/** A chunk of an agent's answer, as a push has it. */
export interface SeenChunk {
  readonly stream_id: string;
  readonly message_id: string;
  readonly index: number;
  readonly chunk: { readonly type: string; readonly delta?: string };
}

/** A running stream, as a join reply has it. */
export interface SeenStream {
  readonly stream_id: string;
  readonly message_id: string;
  readonly next_index: number;
}

/** What a follower was shown. */
export type Shown =
  | { readonly kind: 'message'; readonly message: SeenMessage }
  | { readonly kind: 'stream'; readonly stream: SeenStream }
  | { readonly kind: 'chunk'; readonly chunk: SeenChunk };

/** After the last acknowledgement: how long it may take to see it, restarts included. */
const catchUpMs = 15_000;
/** As a client waits before it comes back. */
const rejoinMs = 50;

/** A member's socket in one session: it sends, and sees everything, over as many connections as that takes. */
export class Follower implements AsyncDisposable {
  readonly sessionId: string;
  readonly participantId: string;
  /** The messages, in the order in which they were shown. */
  readonly seen: SeenMessage[] = [];
  /** The same, and the chunks of streams between them. */
  readonly timeline: Shown[] = [];
  readonly #server: ServerUnderLoad;
  readonly #topic: string;
  #joining: Promise<ChannelClient> | null = null;

  constructor(server: ServerUnderLoad, sessionId: string, participantId: string) {
    this.#server = server;
    this.sessionId = sessionId;
    this.participantId = participantId;
    this.#topic = `session:${sessionId}`;
  }

  /** Adds to `refusals` the code of an answer that is no acknowledgement. */
  async append(message: WantedMessage, refusals: string[]): Promise<Acknowledgement | null> {
    const { clientId, kind, content, metadata } = message;
    const payload = { content: { kind, content, metadata }, client_id: clientId };
    try {
      const client = await this.#joined();
      const { status, response } = await client.push(this.#topic, 'send', payload);
      if (status === 'ok') return response.message;
      refusals.push(response.code);
      return retryOnly(response.retryable, `send was answered with ${JSON.stringify(response)}`);
    } catch (error) {
      return retryOnly(isLoss(error), error);
    }
  }

  /** Waits until it has seen `count` messages. */
  async reach(count: number): Promise<void> {
    const isThere = async () => {
      await this.joined();
      return this.seen.length >= count;
    };
    const what = `message ${count} of ${this.#topic} at ${this.participantId}`;
    await waitUntil(isThere, { what, timeoutMs: catchUpMs });
  }

  /** Comes back whenever its connection is lost, until `isOver`. */
  async stay(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const client = await this.joined();
      if (client === null) await delay(rejoinMs);
      else await client.closed;
    }
  }

  /** The connection; null when there is none just now. */
  async joined(): Promise<ChannelClient | null> {
    return this.#joined().catch((error) => retryOnly(isLoss(error), error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = await this.#joining?.catch(() => null);
    await client?.[Symbol.asyncDispose]();
  }

  /** The connection, made again when it is lost; all sends share the attempt. */
  #joined(): Promise<ChannelClient> {
    this.#joining ??= this.#join();
    return this.#joining;
  }

  async #join(): Promise<ChannelClient> {
    try {
      const client = await this.#connect();
      void client.closed.then(() => {
        this.#joining = null;
      });
      return client;
    } catch (error) {
      this.#joining = null;
      throw error;
    }
  }

  async #connect(): Promise<ChannelClient> {
    const endpoint = socketUrlOf(await this.#server.url(), this.participantId);
    // Pushes follow the reply at once, and must not be counted before the reply's messages.
    const early: Shown[] = [];
    let isIn = false;
    const client = await ChannelClient.open(endpoint, (_topic, event, payload) => {
      const shown = toShown(event, payload);
      if (shown === null) return;
      if (isIn) this.#show(shown);
      else early.push(shown);
    });
    const { status, response } = await client.join(this.#topic, { last_seq: this.seen.length });
    if (status !== 'ok') {
      await client[Symbol.asyncDispose]();
      throw response.retryable
        ? new ConnectionLost(0)
        : new Error(`join refused: ${JSON.stringify(response)}`);
    }
    const missed = response.messages.map((message: SeenMessage) => ({ kind: 'message', message }));
    const running = response.streams.map((stream: SeenStream) => ({ kind: 'stream', stream }));
    for (const shown of [...missed, ...running, ...early]) this.#show(shown);
    isIn = true;
    return client;
  }

  #show(shown: Shown): void {
    this.timeline.push(shown);
    if (shown.kind === 'message') this.seen.push(shown.message);
  }
}

function toShown(event: string, payload: SeenMessage | SeenChunk): Shown | null {
  if (event === 'message') return { kind: 'message', message: payload as SeenMessage };
  return event === 'stream_chunk' ? { kind: 'chunk', chunk: payload as SeenChunk } : null;
}

/** A server that goes away ends sockets and handshakes with these, and nothing else. */
function isLoss(error: unknown): boolean {
  if (error instanceof ConnectionLost) return true;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const isRefusal =
    error instanceof Error && /Unexpected server response: 503|socket hang up/.test(error.message);
  return isRefusal || ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(code);
}

export function retryOnly(isRetryable: unknown, error: unknown): null {
  if (isRetryable === true) return null;
  throw error instanceof Error ? error : new Error(String(error));
}
