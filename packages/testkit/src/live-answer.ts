import type { ServerResponse } from 'node:http';
import { type AgentServer, finishStream, writeChunk, writeDelta } from './agent-server.ts';
import type { RawFrame } from './raw-socket.ts';
import { SessionClient } from './session-client.ts';
import type { TestServer } from './test-server.ts';

/** A session with agents that listen, and who asks them there. */
export interface AskedSession {
  readonly id: string;
  readonly askerId: string;
  readonly agentIds: readonly string[];
}

/** What everybody is told of a stream with each of its chunks. */
export interface LiveStreamFacts {
  readonly stream_id: string;
  readonly message_id: string;
  readonly turn_id: string;
  readonly agent_id: string;
}

const hello = [
  { type: 'start', messageId: 'm' },
  { type: 'text-start', id: '1' },
  { type: 'text-delta', id: '1', delta: 'Hello' },
];

/** One answer under way of a real agent: a test says what comes next, and when. */
export class LiveAnswer {
  readonly facts: LiveStreamFacts;
  readonly sessionId: string;
  readonly #response: ServerResponse;

  constructor(facts: LiveStreamFacts, sessionId: string, response: ServerResponse) {
    this.facts = facts;
    this.sessionId = sessionId;
    this.#response = response;
  }

  /** The call that reads it without a socket. */
  get path(): string {
    return `/api/sessions/${this.sessionId}/streams/${this.facts.stream_id}`;
  }

  write(chunk: object): void {
    writeChunk(this.#response, chunk);
  }

  say(delta: string): void {
    writeDelta(this.#response, delta);
  }

  finish(): void {
    finishStream(this.#response);
  }
}

/**
 * Asks all agents of a session, and waits until `first`, chunks of which the last is of a type of its own, was shown
 * of each answer.
 */
export async function beginAnswers(
  server: TestServer,
  agent: AgentServer,
  { id, askerId, agentIds }: AskedSession,
  first: readonly { readonly type: string }[] = hello,
): Promise<LiveAnswer[]> {
  const responses = new Map<string, ServerResponse>();
  agent.answer = (response, { data }) => {
    responses.set(data.turn_id, response);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const chunk of first) writeChunk(response, chunk);
  };
  await using client = await SessionClient.open(server.socketUrl(askerId), id);
  await client.join();
  const message = { content: { text: 'Go on' }, metadata: { mentions: agentIds } };
  const sent = await client.push('send', { content: message });
  if (sent.status !== 'ok') throw new Error(`not stored: ${JSON.stringify(sent.response)}`);
  const answers: LiveAnswer[] = [];
  for (const agentId of agentIds) {
    const frame = await client.socket.next((each) => isChunk(each, agentId, first.at(-1)!.type));
    const facts: LiveStreamFacts = frame[4];
    answers.push(new LiveAnswer(facts, id, responses.get(facts.turn_id)!));
  }
  return answers;
}

/** The same where one agent is asked. */
export async function beginAnswer(...asked: Parameters<typeof beginAnswers>): Promise<LiveAnswer> {
  const [answer] = await beginAnswers(...asked);
  return answer!;
}

function isChunk([, , , event, payload]: RawFrame, agentId: string, type: string): boolean {
  return event === 'stream_chunk' && payload.agent_id === agentId && payload.chunk.type === type;
}
