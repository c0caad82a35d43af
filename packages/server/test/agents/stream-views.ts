import {
  answerOf,
  disconnectPhoenix,
  type PhoenixChannel,
  type PhoenixSocket,
  phoenixClient,
  type RawFrame,
  SessionClient,
  type TestServer,
} from '@fleetlm/testkit';
import type { Chunk } from '../../src/streams/chunk.ts';
import { pushesOf } from './fixtures.ts';

/** What one reader of a session was shown of its streams, whatever it reads with. */
export interface StreamView extends AsyncDisposable {
  readonly name: string;
  /** From the beginning of the stream, so that they make the same message for every reader. */
  chunksOf(streamId: string): readonly Chunk[];
  hasMessage(id: string): boolean;
  /** Resolves when all that was sent before has come. */
  settle(): Promise<unknown>;
}

/** The official client, from the beginning. */
export class PhoenixView implements StreamView {
  readonly name = 'phoenix.js';
  readonly pushes: RawFrame[] = [];
  readonly #socket: PhoenixSocket;
  readonly #channel: PhoenixChannel;
  readonly #messageIds = new Set<string>();

  static async join(server: TestServer, sessionId: string, participantId: string): Promise<PhoenixView> {
    const params = { participant_id: participantId };
    const view = new PhoenixView(phoenixClient('1.8.16', server.socketEndpoint, { params }), sessionId);
    const answer = await answerOf(view.#channel.join());
    if (answer.status !== 'ok') throw new Error(JSON.stringify(answer));
    return view;
  }

  private constructor(socket: PhoenixSocket, sessionId: string) {
    this.#socket = socket;
    this.#channel = socket.channel(`session:${sessionId}`);
    this.#channel.on('stream_chunk', (push: RawFrame) => void this.pushes.push(push));
    this.#channel.on('message', (message: RawFrame) => void this.#messageIds.add(message.id));
  }

  chunksOf(streamId: string): readonly Chunk[] {
    return inOrder(
      this.pushes.filter((push) => push.stream_id === streamId),
      0,
    );
  }

  hasMessage(id: string): boolean {
    return this.#messageIds.has(id);
  }

  settle(): Promise<unknown> {
    return answerOf(this.#channel.push('history', { limit: 1 }));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return disconnectPhoenix(this.#socket);
  }
}

/** Single frames, from wherever it joins. */
export class RawView implements StreamView {
  readonly name = 'raw V2';
  readonly client: SessionClient;
  readonly #known: readonly RawFrame[];

  static async join(server: TestServer, sessionId: string, participantId: string): Promise<RawView> {
    const client = await SessionClient.open(server.socketUrl(participantId), sessionId);
    const { response } = await client.join();
    return new RawView(client, response.streams);
  }

  private constructor(client: SessionClient, known: readonly RawFrame[]) {
    this.client = client;
    this.#known = known;
  }

  chunksOf(streamId: string): readonly Chunk[] {
    const known = this.#known.find((stream) => stream.stream_id === streamId);
    const pushes = pushesOf(this.client, 'stream_chunk').filter((push) => push.stream_id === streamId);
    return [...(known?.chunks ?? []), ...inOrder(pushes, known?.next_index ?? 0)];
  }

  hasMessage(id: string): boolean {
    return pushesOf(this.client, 'message').some((message) => message.id === id);
  }

  settle(): Promise<unknown> {
    return this.client.socket.settle();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.client[Symbol.asyncDispose]();
  }
}

/** Reads one stream as the AI SDK's own clients do; null when it was over. */
export async function readEventStream(
  { url }: TestServer,
  sessionId: string,
  streamId: string,
): Promise<readonly Chunk[] | null> {
  const response = await fetch(`${url}/api/sessions/${sessionId}/streams/${streamId}`);
  const text = await response.text();
  if (response.status === 204) return null;
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
  const events = text.split('\n\n').filter((event) => event.startsWith('data: '));
  if (events.at(-1) !== 'data: [DONE]') throw new Error(`cut: ${text}`);
  return events.slice(0, -1).map((event) => JSON.parse(event.slice('data: '.length)));
}

function inOrder(pushes: readonly RawFrame[], firstIndex: number): Chunk[] {
  return pushes.map(({ index, chunk }, place) => {
    if (index !== firstIndex + place) throw new Error(`index ${index} in place of ${firstIndex + place}`);
    return chunk;
  });
}
