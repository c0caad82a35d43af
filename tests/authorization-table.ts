import type { ErrorCode } from '@fleetlm/protocol';

/**
 * Who may do what: every call and event, and what comes of it. `authorization-matrix.test.ts` tries each cell on
 * a real server; `npm run docs` prints it as `docs/authorization.md`.
 */

/** Who calls with a good token, in the order of the columns. */
export const callers = ['service', 'initiator', 'member', 'exMember', 'stranger'] as const;
export type Caller = (typeof callers)[number];

type Outcome = 'ok' | ErrorCode | 'unmatched topic';

/** Ids for one attempt. The session is a group of the initiator, a member, `other`, `writer` and, formerly, an ex-member. */
export interface Cast {
  readonly sessionId: string;
  /** The participant that calls; the member when it is the service. */
  readonly self: string;
  /** Another member of the group. */
  readonly other: string;
  /** A participant that is not in the group. */
  readonly outsider: string;
  /** An agent with an endpoint. */
  readonly agent: string;
  /** An agent of the group. */
  readonly writer: string;
}

export interface RestRequest {
  readonly kind: 'rest';
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: object;
  /** Sent as `text/plain`. */
  readonly text?: string;
}

export interface ChannelRequest {
  readonly kind: 'channel';
  readonly topic: string;
  /** `phx_join` is the join itself; every other event is pushed after it was tried. */
  readonly event: string;
  readonly payload: object;
}

export interface Row extends Readonly<Record<Caller, Outcome>> {
  readonly call: string;
  readonly request: (cast: Cast) => RestRequest | ChannelRequest;
}

const text = { content: { text: 'hello' } };
const sessionPath = ({ sessionId }: Cast) => `/api/sessions/${sessionId}`;
const endpointPath = ({ agent }: Cast) => `/api/agents/${agent}/endpoint`;
const topicOf = ({ sessionId }: Cast) => `session:${sessionId}`;

const everybody = outcomes('ok', 'ok', 'ok', 'ok', 'ok');
const serviceOnly = outcomes('ok', 'forbidden', 'forbidden', 'forbidden', 'forbidden');
const members = outcomes('ok', 'ok', 'ok', 'session_not_found', 'session_not_found');
const managers = outcomes('ok', 'ok', 'forbidden', 'session_not_found', 'session_not_found');

export const rows: readonly Row[] = [
  rest('PUT /api/participants/:id, itself: name, metadata', everybody, ({ self }) => ({
    method: 'PUT',
    path: `/api/participants/${self}`,
    body: { display_name: 'A name' },
  })),
  rest('PUT /api/participants/:id, itself: kind, status', serviceOnly, ({ self }) => ({
    method: 'PUT',
    path: `/api/participants/${self}`,
    body: { status: 'active' },
  })),
  rest('PUT /api/participants/:id, somebody else', serviceOnly, ({ outsider }) => ({
    method: 'PUT',
    path: `/api/participants/${outsider}`,
    body: { display_name: 'A name' },
  })),
  rest('GET /api/participants/:id, itself', everybody, ({ self }) => ({
    method: 'GET',
    path: `/api/participants/${self}`,
  })),
  rest(
    'GET /api/participants/:id, somebody else',
    allBut('service', 'participant_not_found'),
    ({ outsider }) => ({ method: 'GET', path: `/api/participants/${outsider}` }),
  ),
  rest('GET /api/participants (a participant finds itself)', everybody, () => ({
    method: 'GET',
    path: '/api/participants',
  })),
  rest('POST /api/sessions, direct, as initiator', everybody, ({ self, outsider }) => ({
    method: 'POST',
    path: '/api/sessions',
    body: { initiator_id: self, peer_id: outsider },
  })),
  rest('POST /api/sessions, direct, for somebody else', serviceOnly, ({ self, outsider }) => ({
    method: 'POST',
    path: '/api/sessions',
    body: { initiator_id: outsider, peer_id: self },
  })),
  rest('POST /api/sessions, group, as initiator', everybody, ({ self, outsider }) => ({
    method: 'POST',
    path: '/api/sessions',
    body: { kind: 'group', initiator_id: self, member_ids: [outsider] },
  })),
  rest('POST /api/sessions, group, for somebody else', serviceOnly, ({ self, outsider }) => ({
    method: 'POST',
    path: '/api/sessions',
    body: { kind: 'group', initiator_id: outsider, member_ids: [self] },
  })),
  rest('GET /api/sessions (a participant: its own)', everybody, () => ({
    method: 'GET',
    path: '/api/sessions',
  })),
  rest("GET /api/sessions?participant_id=, somebody else's", serviceOnly, ({ outsider }) => ({
    method: 'GET',
    path: `/api/sessions?participant_id=${outsider}`,
  })),
  rest('GET /api/sessions/:id', members, (cast) => ({ method: 'GET', path: sessionPath(cast) })),
  rest('PATCH /api/sessions/:id, status', managers, (cast) => ({
    method: 'PATCH',
    path: sessionPath(cast),
    body: { status: 'closed' },
  })),
  rest('PATCH /api/sessions/:id, metadata', managers, (cast) => ({
    method: 'PATCH',
    path: sessionPath(cast),
    body: { metadata: { topic: 'x' } },
  })),
  rest('GET /api/sessions/:id/members', members, (cast) => ({
    method: 'GET',
    path: `${sessionPath(cast)}/members`,
  })),
  rest('PUT /api/sessions/:id/members/:participant_id', managers, (cast) => ({
    method: 'PUT',
    path: `${sessionPath(cast)}/members/${cast.outsider}`,
  })),
  rest('DELETE /api/sessions/:id/members/:participant_id, somebody else', managers, (cast) => ({
    method: 'DELETE',
    path: `${sessionPath(cast)}/members/${cast.other}`,
  })),
  rest('DELETE /api/sessions/:id/members/:participant_id, itself', members, (cast) => ({
    method: 'DELETE',
    path: `${sessionPath(cast)}/members/${cast.self}`,
  })),
  rest('POST /api/sessions/:id/messages, as itself (the service: for a member)', members, (cast) => ({
    method: 'POST',
    path: `${sessionPath(cast)}/messages`,
    body: { ...text, sender_id: cast.self },
  })),
  rest('POST /api/sessions/:id/messages, for another member', serviceOnly, (cast) => ({
    method: 'POST',
    path: `${sessionPath(cast)}/messages`,
    body: { ...text, sender_id: cast.other },
  })),
  rest(
    'POST /api/sessions/:id/messages, for somebody who is no member',
    { ...serviceOnly, service: 'not_a_member' },
    (cast) => ({
      method: 'POST',
      path: `${sessionPath(cast)}/messages`,
      body: { ...text, sender_id: cast.outsider },
    }),
  ),
  rest('POST /api/sessions/:id/messages, kind system', serviceOnly, (cast) => ({
    method: 'POST',
    path: `${sessionPath(cast)}/messages`,
    body: { ...text, kind: 'system' },
  })),
  rest('GET /api/sessions/:id/messages', members, (cast) => ({
    method: 'GET',
    path: `${sessionPath(cast)}/messages`,
  })),
  rest('POST /api/sessions/:id/read, for itself (the service: for a member)', members, (cast) => ({
    method: 'POST',
    path: `${sessionPath(cast)}/read`,
    body: { participant_id: cast.self },
  })),
  rest('POST /api/sessions/:id/read, for another member', serviceAmongMembers(), (cast) => ({
    method: 'POST',
    path: `${sessionPath(cast)}/read`,
    body: { participant_id: cast.other },
  })),
  rest('POST /api/sessions/:id/stop', members, (cast) => ({
    method: 'POST',
    path: `${sessionPath(cast)}/stop`,
  })),
  rest('GET /api/sessions/:id/streams', members, (cast) => ({
    method: 'GET',
    path: `${sessionPath(cast)}/streams`,
  })),
  rest('GET /api/sessions/:id/streams/:stream_id', members, (cast) => ({
    method: 'GET',
    path: `${sessionPath(cast)}/streams/01K1J8Z0000000000000000000`,
  })),
  rest(
    'POST /api/sessions/:id/streams, as a person (agents may as themselves, the service for an agent)',
    { ...allBut('service', 'forbidden'), service: 'invalid_request' },
    (cast) => ({ method: 'POST', path: `${sessionPath(cast)}/streams?agent_id=${cast.self}`, text: 'hello' }),
  ),
  rest('POST /api/sessions/:id/streams, for an agent of the group', serviceOnly, (cast) => ({
    method: 'POST',
    path: `${sessionPath(cast)}/streams?agent_id=${cast.writer}`,
    text: 'hello',
  })),
  rest('GET /api/participants/:id/inbox, its own', everybody, ({ self }) => ({
    method: 'GET',
    path: `/api/participants/${self}/inbox`,
  })),
  rest(
    "GET /api/participants/:id/inbox, somebody else's",
    allBut('service', 'participant_not_found'),
    ({ outsider }) => ({ method: 'GET', path: `/api/participants/${outsider}/inbox` }),
  ),
  rest('PUT /api/agents/:id/endpoint', serviceOnly, (cast) => ({
    method: 'PUT',
    path: endpointPath(cast),
    body: { origin_url: 'https://agent.example/' },
  })),
  rest('GET /api/agents/:id/endpoint', serviceOnly, (cast) => ({ method: 'GET', path: endpointPath(cast) })),
  rest('POST /api/agents/:id/endpoint/test', serviceOnly, (cast) => ({
    method: 'POST',
    path: `${endpointPath(cast)}/test`,
  })),
  rest('POST /api/agents/:id/endpoint/rotate-secret', serviceOnly, (cast) => ({
    method: 'POST',
    path: `${endpointPath(cast)}/rotate-secret`,
  })),
  rest('GET /api/agents/:id/turns', serviceOnly, ({ agent }) => ({
    method: 'GET',
    path: `/api/agents/${agent}/turns`,
  })),
  rest('GET /api/agents/:id/deliveries', serviceOnly, ({ agent }) => ({
    method: 'GET',
    path: `/api/agents/${agent}/deliveries`,
  })),
  rest(
    'POST /api/agents/:id/turns/:turn_id/redeliver, a turn that there is not',
    { ...serviceOnly, service: 'turn_not_found' },
    ({ agent }) => ({
      method: 'POST',
      path: `/api/agents/${agent}/turns/01ARZ3NDEKTSV4RRFFQ69G5FAV/redeliver`,
    }),
  ),
  // The last of them: it takes the endpoint away.
  rest('DELETE /api/agents/:id/endpoint', serviceOnly, (cast) => ({
    method: 'DELETE',
    path: endpointPath(cast),
  })),
  rest('GET /metrics', serviceOnly, () => ({ method: 'GET', path: '/metrics' })),
  channel('join of `session:<id>`', members, (cast) => ({
    topic: topicOf(cast),
    event: 'phx_join',
    payload: {},
  })),
  channel('`send`, as itself (the service: for a member)', inTopic('ok', 'ok'), (cast) => ({
    topic: topicOf(cast),
    event: 'send',
    payload: { content: text, sender_id: cast.self },
  })),
  channel('`send`, for another member', inTopic('ok', 'forbidden'), (cast) => ({
    topic: topicOf(cast),
    event: 'send',
    payload: { content: text, sender_id: cast.other },
  })),
  channel('`send`, for somebody who is no member', inTopic('not_a_member', 'forbidden'), (cast) => ({
    topic: topicOf(cast),
    event: 'send',
    payload: { content: text, sender_id: cast.outsider },
  })),
  channel('`send`, kind system', inTopic('ok', 'forbidden'), (cast) => ({
    topic: topicOf(cast),
    event: 'send',
    payload: { content: { ...text, kind: 'system' } },
  })),
  channel('`history`', inTopic('ok', 'ok'), (cast) => ({
    topic: topicOf(cast),
    event: 'history',
    payload: {},
  })),
  channel('`stop`', inTopic('ok', 'ok'), (cast) => ({ topic: topicOf(cast), event: 'stop', payload: {} })),
  channel('`read`, for itself (the service: for a member)', inTopic('ok', 'ok'), (cast) => ({
    topic: topicOf(cast),
    event: 'read',
    payload: { participant_id: cast.self },
  })),
  channel('`read`, for another member', inTopic('ok', 'forbidden'), (cast) => ({
    topic: topicOf(cast),
    event: 'read',
    payload: { participant_id: cast.other },
  })),
  channel('join of `inbox:<participant>`, its own', everybody, ({ self }) => ({
    topic: `inbox:${self}`,
    event: 'phx_join',
    payload: {},
  })),
  channel(
    "join of `inbox:<participant>`, somebody else's",
    allBut('service', 'participant_not_found'),
    ({ outsider }) => ({ topic: `inbox:${outsider}`, event: 'phx_join', payload: {} }),
  ),
  channel(
    'join of any other topic',
    outcomes('unmatched topic', 'unmatched topic', 'unmatched topic', 'unmatched topic', 'unmatched topic'),
    () => ({ topic: 'room:lobby', event: 'phx_join', payload: {} }),
  ),
];

/** `docs/authorization.md`. */
export function describeAuthorization(): string {
  const lines = rows.map(
    (row) => `| ${row.call} | ${callers.map((caller) => cell(row[caller])).join(' | ')} |`,
  );
  return `${introduction}${lines.join('\n')}\n`;
}

const introduction = `# Authorization

Who may do what, and what everybody else is told ([errors.md](errors.md)). This page is made by \`npm run docs\` from the
table that \`tests/authorization-matrix.test.ts\` tries on a real server, cell by cell.

- _initiator_, _member_: of the session in question, a group. _Ex-member_: was removed, or left. _Stranger_: never was in it.
- A session that you are not in and one that does not exist look alike, to the letter.
- Without a token, or with one that is expired, signed by another key or with another algorithm: 401 \`unauthorized\` for
  every REST call, and an empty 403 instead of a socket. A participant that is disabled: 403 \`participant_disabled\`, and no
  socket either. See [authentication.md](authentication.md).
- \`GET /health/live\`, \`GET /health/ready\` and the documentation (\`/docs\`, \`/openapi.json\`, \`/asyncapi.json\`,
  \`/llms.txt\`, \`/llms-full.txt\`) are open to everybody. With \`FLEETLM_OPS_PORT\` so is \`GET /metrics\`, on that port alone.

| Call or event | Service | Initiator | Member | Ex-member | Stranger |
| --- | --- | --- | --- | --- | --- |
`;

function cell(outcome: Outcome): string {
  return outcome === 'ok' ? 'yes' : `\`${outcome}\``;
}

function outcomes(
  service: Outcome,
  initiator: Outcome,
  member: Outcome,
  ...[exMember, stranger]: [Outcome, Outcome]
): Record<Caller, Outcome> {
  return { service, initiator, member, exMember, stranger };
}

function allBut(caller: Caller, outcome: Outcome): Record<Caller, Outcome> {
  return { ...outcomes(outcome, outcome, outcome, outcome, outcome), [caller]: 'ok' };
}

/** The service may, members are told that they may not, and others find nothing. */
function serviceAmongMembers(): Record<Caller, Outcome> {
  return { ...managers, initiator: 'forbidden' };
}

/** Pushes on the topic of a session, which only the service and members have joined. */
function inTopic(service: Outcome, member: Outcome): Record<Caller, Outcome> {
  return outcomes(service, member, member, 'unmatched topic', 'unmatched topic');
}

function rest(
  call: string,
  expected: Record<Caller, Outcome>,
  request: (cast: Cast) => Omit<RestRequest, 'kind'>,
): Row {
  const [name, ...rest] = call.split(/(?=, | \()/);
  return {
    call: `\`${name}\`${rest.join('')}`,
    ...expected,
    request: (cast) => ({ kind: 'rest', ...request(cast) }),
  };
}

function channel(
  call: string,
  expected: Record<Caller, Outcome>,
  request: (cast: Cast) => Omit<ChannelRequest, 'kind'>,
): Row {
  return { call, ...expected, request: (cast) => ({ kind: 'channel', ...request(cast) }) };
}
