import type { ServerResponse } from 'node:http';
import { streamChunkSchema } from '@fleetlm/protocol';
import { AgentServer, beginStream, writeChunk } from '@fleetlm/testkit/agent-server';
import { Skipped } from './case.ts';
import type { FrameSocket } from './frame-socket.ts';
import { check } from './mismatch.ts';
import { saying } from './notation.ts';
import { holding } from './pattern.ts';
import { type Subject, shaped } from './subject.ts';

/** The first words of an agent of the suite. */
export const hello = { type: 'text-delta', id: '1', delta: 'Hello' };

const loopback = new Set(['localhost', '127.0.0.1', '[::1]']);

/** What a stream has in common with its message, and with all of its chunks. */
interface StreamFacts {
  readonly stream_id: string;
  readonly message_id: string;
  readonly turn_id: string;
  readonly agent_id: string;
}

/** A direct session of somebody, who has joined it, with an agent that runs in the suite. */
export async function startAgentSession(subject: Subject) {
  const { agentId, agent } = await startAgent(subject);
  const alice = await subject.person();
  const id = await subject.session({ initiator_id: alice, peer_id: agentId });
  const T = `session:${id}`;
  return { id, T, alice, bob: agentId, agent, socket: await subject.joined(alice, T) };
}

type AgentSession = Awaited<ReturnType<typeof startAgentSession>>;

/** The same, with an answer that has begun: it has said hello, and waits for what the case says. */
export async function beginAnswer(subject: Subject) {
  const session = await startAgentSession(subject);
  const called = Promise.withResolvers<ServerResponse>();
  session.agent.answer = (response) => {
    beginStream(response);
    writeChunk(response, hello);
    called.resolve(response);
  };
  const { socket } = session;
  await ask(subject, session);
  let seen = await nextChunk(socket);
  while (seen.chunk.type !== hello.type) seen = await nextChunk(socket);
  return { ...session, answer: await called.promise, seen };
}

/** Says something to the agent, and sees it said. */
export async function ask(subject: Subject, session: AgentSession): Promise<void> {
  await subject.say(session, 'Hi');
  await session.socket.S([null, null, session.T, 'message', saying('Hi')]);
}

export async function nextChunk(socket: FrameSocket) {
  return shaped((await nextOf(socket, 'stream_chunk'))[4], streamChunkSchema);
}

export interface ExpectedAnswer {
  readonly facts: StreamFacts;
  /** Of the first chunk to come. */
  readonly index: number;
  /** The last is the terminal one. */
  readonly chunks: readonly object[];
  /** How the message says that it ended. */
  readonly termination?: string;
}

/** Expects chunks without a gap, and behind the terminal one the message, once, and nothing of the stream. */
export async function expectAnswer(
  socket: FrameSocket,
  { facts, index, chunks, termination = 'finish' }: ExpectedAnswer,
): Promise<void> {
  const { stream_id, message_id, turn_id, agent_id } = facts;
  const common = { stream_id, message_id, turn_id, agent_id };
  for (const [n, chunk] of chunks.entries()) {
    check(await nextChunk(socket), {
      ...common,
      index: index + n,
      chunk: holding(chunk as Record<string, unknown>),
    });
  }
  const [, , , , payload] = await nextOf(socket, 'message', 'stream_chunk');
  check(payload, holding({ id: message_id, sender_id: agent_id, kind: 'assistant' }));
  check(payload.metadata, holding({ termination }));
  await socket.nothing();
}

/** The next frame of one of these events: of others, replies for one, the order is open. */
function nextOf(socket: FrameSocket, ...events: readonly string[]) {
  return socket.raw.next((frame) => events.includes(frame[3]));
}

/** An agent on this machine, and its endpoint at the server. */
async function startAgent(subject: Subject) {
  if (!loopback.has(new URL(subject.target.url).hostname)) {
    throw new Skipped('the server is on another machine: it cannot call the agents of the suite');
  }
  const agent = subject.use(await AgentServer.start());
  const agentId = await subject.person('agent');
  const path = `/api/agents/${agentId}/endpoint`;
  const { status, body } = await subject.call('PUT', path, { body: { origin_url: agent.url } });
  if (body.code === 'url_not_allowed') {
    throw new Skipped('the server calls no agents on its own machine: FLEETLM_AGENT_ALLOW_LOOPBACK=1');
  }
  check(status, 200);
  return { agent, agentId };
}
