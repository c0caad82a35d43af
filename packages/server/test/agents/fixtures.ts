import { type AgentServer, type RawFrame, SessionClient, type TestServer, waitUntil } from '@fleetlm/testkit';

/** A direct session of `user:alice` with an agent, and what somebody sees of it. */
export interface AgentSession {
  readonly id: string;
  readonly agentId: string;
}

let count = 0;

/** Makes an agent with an endpoint, and a session with it. */
export async function startAgentSession(
  server: TestServer,
  agent: AgentServer,
  endpoint: object = {},
): Promise<AgentSession> {
  return startAgentSessionAt(server, agent.url, endpoint);
}

/** The same with whatever listens at the URL. */
export async function startAgentSessionAt(
  server: TestServer,
  url: string,
  endpoint: object = {},
): Promise<AgentSession> {
  const agentId = await makeAgent(server, url, endpoint);
  const userId = userIdOf(agentId);
  await makeUser(server, userId);
  const id = await makeSession(server, { initiator_id: userId, peer_id: agentId });
  return { id, agentId };
}

/** A group of one user and agents that every message wakes; the first agent is the session's. */
export async function startAgentGroup(
  server: TestServer,
  agents: readonly AgentServer[],
  endpoints: readonly object[] = [],
): Promise<AgentSession & { readonly agentIds: readonly string[] }> {
  const agentIds: string[] = [];
  for (const [index, agent] of agents.entries()) {
    agentIds.push(await makeAgent(server, agent.url, endpoints[index]));
  }
  const [agentId] = agentIds as [string];
  const userId = userIdOf(agentId);
  await makeUser(server, userId);
  const id = await makeSession(server, { kind: 'group', initiator_id: userId, member_ids: agentIds });
  for (const memberId of agentIds) {
    await put(server, `/api/sessions/${id}/members/${memberId}`, { wake: 'always' });
  }
  return { id, agentId, agentIds };
}

/** Makes an agent with an endpoint; returns its id. */
export async function makeAgent(server: TestServer, url: string, endpoint: object = {}): Promise<string> {
  count += 1;
  const agentId = `agent:a${count}`;
  await put(server, `/api/participants/${agentId}`, { kind: 'agent' });
  await put(server, `/api/agents/${agentId}/endpoint`, { origin_url: url, ...endpoint });
  return agentId;
}

export async function makeUser(server: TestServer, userId: string): Promise<void> {
  await put(server, `/api/participants/${userId}`, {});
}

export async function makeSession({ api }: TestServer, body: object): Promise<string> {
  const made = await api('POST', '/api/sessions', { body });
  if (made.status >= 300) throw new Error(JSON.stringify(made.body));
  return made.body.session.id;
}

async function put({ api }: TestServer, path: string, body: object): Promise<void> {
  const answer = await api('PUT', path, { body });
  if (answer.status >= 300) throw new Error(JSON.stringify(answer.body));
}

export function userIdOf(agentId: string): string {
  return agentId.replace('agent:a', 'user:u');
}

/** Sends a text as the one who talks to the agent. */
export async function say({ api }: TestServer, { id, agentId }: AgentSession, text = 'Hi'): Promise<void> {
  const body = { sender_id: userIdOf(agentId), content: { text } };
  const answer = await api('POST', `/api/sessions/${id}/messages`, { body });
  if (answer.status >= 300) throw new Error(JSON.stringify(answer.body));
}

export async function closeSession({ api }: TestServer, { id }: AgentSession): Promise<void> {
  const answer = await api('PATCH', `/api/sessions/${id}`, { body: { status: 'closed' } });
  if (answer.status >= 300) throw new Error(JSON.stringify(answer.body));
}

export async function removeAgent({ api }: TestServer, { id, agentId }: AgentSession): Promise<void> {
  const answer = await api('DELETE', `/api/sessions/${id}/members/${agentId}`);
  if (answer.status >= 300) throw new Error(JSON.stringify(answer.body));
}

/** Joins the session as the one who talks to the agent. */
export async function joinAs(server: TestServer, session: AgentSession): Promise<SessionClient> {
  const client = await SessionClient.open(server.socketUrl(userIdOf(session.agentId)), session.id);
  await client.join();
  return client;
}

/** The pushes of an event that a client was given, as they came. */
export function pushesOf(client: SessionClient, event: string): RawFrame[] {
  return client.pushes.filter((push) => push.event === event).map(({ payload }) => payload);
}

/** The chunks of a stream, and its messages, in the order of their coming. */
export function timelineOf(client: SessionClient): string[] {
  return client.pushes.flatMap(({ event, payload }) => {
    if (event === 'stream_chunk') return [payload.chunk.type];
    return event === 'message' ? [`message ${payload.kind}`] : [];
  });
}

/** The agent's turns, the newest first. */
export async function turnsOf({ api }: TestServer, { agentId }: AgentSession): Promise<RawFrame[]> {
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

/** The attempts to call the agent, oldest first, once there are so many. */
export function deliveriesOf({ api }: TestServer, agentId: string, count: number): Promise<RawFrame[]> {
  return waitUntil(async () => {
    const { body } = await api('GET', `/api/agents/${agentId}/deliveries`);
    return body.deliveries.length >= count && body.deliveries.reverse();
  });
}
