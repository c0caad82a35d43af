const [alice, echo] = ['user:alice', 'agent:echo'];
/** Tells an endpoint of an earlier start, whose port is gone, from one that somebody else has made. */
const ownPath = '/npm-run-dev';

export interface Introduction {
  /** Of user:alice and agent:echo. */
  readonly sessionId: string;
  /** False: somebody has given agent:echo an endpoint of their own, which stays. */
  readonly isOurs: boolean;
}

/** Sees to it that agent:echo is called at `originUrl`, and has a session with user:alice. Safe to repeat. */
export async function introduceEcho(serverUrl: string, originUrl: string): Promise<Introduction> {
  const call = callerOf(serverUrl);
  await ensureParticipant(call, alice, 'Alice');
  await ensureParticipant(call, echo, 'Echo');
  const isOurs = await ensureEndpoint(call, new URL(ownPath, originUrl).href);
  return { sessionId: await ensureSession(call), isOurs };
}

async function ensureParticipant(call: Call, id: string, displayName: string): Promise<void> {
  const path = `/api/participants/${id}`;
  if ((await call('GET', path)) === null) await call('PUT', path, { display_name: displayName });
}

async function ensureEndpoint(call: Call, originUrl: string): Promise<boolean> {
  const path = `/api/agents/${echo}/endpoint`;
  const found = (await call('GET', path))?.endpoint;
  if (found && new URL(found.origin_url).pathname !== ownPath) return false;
  await call('PUT', path, { origin_url: originUrl });
  return true;
}

async function ensureSession(call: Call): Promise<string> {
  const found = await call('GET', `/api/sessions?participant_id=${alice}&kind=agent_dm&status=open`);
  const session = found?.sessions.find(({ agent_id: agentId }: { agent_id: string }) => agentId === echo);
  if (session) return session.id;
  const body = { initiator_id: alice, peer_id: echo, metadata: { title: 'Alice and Echo' } };
  return (await call('POST', '/api/sessions', body))!.session.id;
}

// biome-ignore lint/suspicious/noExplicitAny: answers are read by those who know their call
type Answer = any;
/** A REST call as the service. Null: there is no such thing; throws when it is refused. */
type Call = (method: string, path: string, body?: object) => Promise<Answer | null>;

function callerOf(serverUrl: string): Call {
  return async (method, path, body) => {
    const response = await fetch(new URL(path, serverUrl), {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const answer: Answer = await response.json();
    if (response.ok) return answer;
    if (response.status === 404 && method === 'GET') return null;
    throw new Error(`${method} ${path}: ${response.status} ${answer.detail ?? answer.code}`);
  };
}
