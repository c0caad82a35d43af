import { type AgentServer, type RawFrame, SessionClient, type TestServer, waitUntil } from '@fleetlm/testkit';

/** A direct session of `user:alice` with an agent, and what somebody sees of it. */
export interface AgentSession {
  readonly id: string;
  readonly agentId: string;
}

let count = 0;

/** Makes an agent with an endpoint, and a session with it. */
export async function startAgentSession(
  { api }: TestServer,
  agent: AgentServer,
  endpoint: object = {},
): Promise<AgentSession> {
  count += 1;
  const agentId = `agent:a${count}`;
  const userId = `user:u${count}`;
  await api('PUT', `/api/participants/${agentId}`, { body: { kind: 'agent' } });
  await api('PUT', `/api/participants/${userId}`, { body: {} });
  const put = await api('PUT', `/api/agents/${agentId}/endpoint`, {
    body: { origin_url: agent.url, ...endpoint },
  });
  if (put.status >= 300) throw new Error(JSON.stringify(put.body));
  const made = await api('POST', '/api/sessions', { body: { initiator_id: userId, peer_id: agentId } });
  return { id: made.body.session.id, agentId };
}

/** Joins the session as the one who talks to the agent. */
export async function joinAs(server: TestServer, session: AgentSession): Promise<SessionClient> {
  const client = await SessionClient.open(
    server.socketUrl(session.agentId.replace('agent:a', 'user:u')),
    session.id,
  );
  await client.join();
  return client;
}

/** The pushes of an event that a client was given, as they came. */
export function pushesOf(client: SessionClient, event: string): RawFrame[] {
  return client.socket.texts
    .map((text) => JSON.parse(text))
    .filter((frame) => frame[2] === client.topic && frame[3] === event)
    .map((frame) => frame[4]);
}

/** The chunks of a stream, and its messages, in the order of their coming. */
export function timelineOf(client: SessionClient): string[] {
  return client.socket.texts.flatMap((text) => {
    const [, , topic, event, payload] = JSON.parse(text);
    if (topic !== client.topic) return [];
    if (event === 'stream_chunk') return [payload.chunk.type];
    return event === 'message' ? [`message ${payload.kind}`] : [];
  });
}

/** The agent's turns, the newest first. */
async function turnsOf({ api }: TestServer, { agentId }: AgentSession): Promise<RawFrame[]> {
  const { body } = await api('GET', `/api/agents/${agentId}/turns`);
  return body.turns;
}

/** Waits until the agent has no turn that is pending or running; the turns then, the newest first. */
export async function turnsAtRest(server: TestServer, session: AgentSession): Promise<RawFrame[]> {
  let turns: RawFrame[] = [];
  await waitUntil(async () => {
    turns = await turnsOf(server, session);
    return turns.length > 0 && turns.every((turn) => turn.status !== 'pending' && turn.status !== 'running');
  });
  return turns;
}

/** All messages of a session. */
export async function messagesOf({ api }: TestServer, { id }: AgentSession): Promise<RawFrame[]> {
  const { body } = await api('GET', `/api/sessions/${id}/messages?limit=200`);
  return body.messages;
}
