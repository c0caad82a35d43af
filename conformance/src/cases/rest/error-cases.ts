import { request } from 'node:http';
import type { ErrorCode } from '@fleetlm/protocol';
import { type Entry, Skipped } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { error, say } from '../../notation.ts';
import { anything, holding } from '../../pattern.ts';
import type { Answer, Subject } from '../../subject.ts';

/** An id that no session has. */
const absentId = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

/**
 * Every code of the table: over REST with its status and form, and in a channel's reply where one can have it.
 * The type asks for each code; those that no caller can bring about name the test that does.
 */
export const errorCases: Readonly<Record<ErrorCode, readonly Entry[]>> = {
  invalid_json: [
    {
      id: 'errors/invalid_json',
      title: 'a body that is no JSON',
      isOurs: true,
      async run(subject) {
        for (const rawBody of ['{"initiator_id":', 'nonsense', '{} {}']) {
          subject.problem(await subject.call('POST', '/api/sessions', { rawBody }), 'invalid_json');
        }
      },
    },
  ],
  bad_request: [
    {
      id: 'errors/bad_request',
      title: 'a path with a malformed escape',
      isOurs: true,
      run: async (subject) =>
        void subject.problem(await subject.call('GET', '/api/participants/%E0%A4%A'), 'bad_request'),
    },
  ],
  unauthorized: [
    {
      id: 'errors/unauthorized',
      title: 'no token, or a bad one: always the same body',
      isOurs: true,
      needs: 'tokens',
      async run(subject) {
        const expired = await subject.tokens.tokenOf('user:a', { exp: 1 });
        const details = [];
        for (const authorization of ['', 'Bearer nonsense', `Bearer ${expired}`, 'Basic YTpi']) {
          const answer = await subject.callAsNobody('GET', '/api/sessions', { headers: { authorization } });
          details.push(subject.problem(answer, 'unauthorized').detail);
          check(answer.headers.get('www-authenticate'), 'Bearer');
        }
        check(new Set(details).size, 1);
      },
    },
    {
      id: 'errors/unauthorized-empty-id',
      title: 'an empty x-participant-id is not nobody',
      isOurs: true,
      needs: 'no-auth',
      async run(subject) {
        const headers = { 'x-participant-id': '' };
        subject.problem(await subject.callAsNobody('GET', '/api/sessions', { headers }), 'unauthorized');
      },
    },
  ],
  forbidden: [
    {
      id: 'errors/forbidden',
      title: 'what a participant may not do for somebody else',
      isOurs: true,
      async run(subject) {
        const { id, T, alice, bob } = await subject.conversation();
        const body = { sender_id: alice, content: {} };
        const calls = [
          subject.call('PUT', `/api/participants/${alice}`, { as: bob, body: {} }),
          subject.call('POST', '/api/sessions', { as: bob, body: { initiator_id: alice, peer_id: bob } }),
          subject.call('POST', `/api/sessions/${id}/messages`, { as: bob, body }),
          subject.call('PATCH', `/api/sessions/${id}`, { as: bob, body: { status: 'closed' } }),
        ];
        for (const answer of await Promise.all(calls)) subject.problem(answer, 'forbidden');
        const socket = await subject.joined(bob, T);
        socket.C(['3', '4', T, 'send', say('x', { sender_id: alice })]);
        await socket.S(['3', '4', T, 'phx_reply', error('forbidden')]);
      },
    },
    {
      id: 'errors/forbidden-origin',
      title: 'a page of a foreign Origin',
      isOurs: true,
      async run(subject) {
        const headers = { origin: 'https://evil.example' };
        subject.problem(await subject.call('GET', '/api/sessions', { headers }), 'forbidden');
      },
    },
  ],
  participant_disabled: [
    {
      id: 'errors/participant_disabled',
      title: 'a participant that is disabled',
      isOurs: true,
      async run(subject) {
        const alice = await subject.person();
        await subject.call('PUT', `/api/participants/${alice}`, { body: { status: 'disabled' } });
        subject.problem(await subject.call('GET', '/api/sessions', { as: alice }), 'participant_disabled');
      },
    },
  ],
  not_found: [
    {
      id: 'errors/not_found',
      title: 'a path, or a method of a path, that there is not',
      isOurs: true,
      async run(subject) {
        for (const [method, path] of [
          ['GET', '/api/nothing'],
          ['DELETE', '/api/sessions'],
          ['GET', '/nothing'],
        ] as const) {
          subject.problem(await subject.call(method, path), 'not_found');
        }
      },
    },
  ],
  session_not_found: [
    {
      id: 'errors/session_not_found',
      title: 'a session that is absent and one that is hidden look alike',
      isOurs: true,
      async run(subject) {
        const { id } = await subject.conversation();
        const stranger = await subject.person();
        const told = [];
        for (const each of [id, absentId, 'no-id']) {
          const answer = await subject.call('GET', `/api/sessions/${each}`, { as: stranger });
          told.push(subject.problem(answer, 'session_not_found').detail);
          const socket = await subject.connect(stranger);
          socket.C(['3', '3', `session:${each}`, 'phx_join', {}]);
          const reply = ['3', '3', `session:${each}`, 'phx_reply', error('session_not_found')];
          told.push((await socket.S(reply))[4].response.message);
        }
        check(new Set(told).size, 1);
      },
    },
  ],
  participant_not_found: [
    {
      id: 'errors/participant_not_found',
      title: 'a participant that is absent and one that is somebody else look alike',
      isOurs: true,
      async run(subject) {
        const [alice, bob] = (await subject.people(2)) as [string, string];
        for (const id of [alice, subject.target.newId('user')]) {
          for (const path of [`/api/participants/${id}`, `/api/participants/${id}/inbox`]) {
            subject.problem(await subject.call('GET', path, { as: bob }), 'participant_not_found');
          }
        }
        const T = `inbox:${alice}`;
        const socket = await subject.connect(bob);
        socket.C(['3', '3', T, 'phx_join', {}]);
        await socket.S(['3', '3', T, 'phx_reply', error('participant_not_found')]);
      },
    },
  ],
  client_id_conflict: [
    {
      id: 'errors/client_id_conflict',
      title: 'a client_id that was used for another message; that message stays',
      isOurs: true,
      async run(subject) {
        const { id, T, alice } = await subject.conversation();
        const path = `/api/sessions/${id}/messages`;
        const append = (text: string) =>
          subject.call('POST', path, { as: alice, body: { content: { text }, client_id: 'k' } });
        check((await append('first')).status, 200);
        subject.problem(await append('second'), 'client_id_conflict');
        const socket = await subject.joined(alice, T);
        socket.C(['3', '4', T, 'send', say('third', { client_id: 'k' })]);
        await socket.S(['3', '4', T, 'phx_reply', error('client_id_conflict')]);
        const { body } = await subject.call('GET', path);
        check(body.messages, [holding({ content: { text: 'first' } })]);
      },
    },
  ],
  session_closed: [
    {
      id: 'errors/session_closed',
      title: 'a message to a session that is closed',
      isOurs: true,
      async run(subject) {
        const { id, T, alice } = await subject.conversation();
        await subject.call('PATCH', `/api/sessions/${id}`, { body: { status: 'closed' } });
        const body = { content: {} };
        const answer = await subject.call('POST', `/api/sessions/${id}/messages`, { as: alice, body });
        subject.problem(answer, 'session_closed');
        const socket = await subject.joined(alice, T);
        socket.C(['3', '4', T, 'send', say('late')]);
        await socket.S(['3', '4', T, 'phx_reply', error('session_closed')]);
      },
    },
  ],
  payload_too_large: [
    {
      id: 'errors/payload_too_large',
      title: 'a body that is announced as larger than any limit is refused before it is sent',
      isOurs: true,
      run: async (subject) => void subject.problem(await announceHugeBody(subject), 'payload_too_large'),
    },
  ],
  unsupported_media_type: [
    {
      id: 'errors/unsupported_media_type',
      title: 'a body that is not application/json',
      isOurs: true,
      async run(subject) {
        for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp']) {
          const headers = { 'content-type': type };
          const answer = await subject.call('POST', '/api/sessions', { rawBody: '{}', headers });
          subject.problem(answer, 'unsupported_media_type');
        }
      },
    },
  ],
  invalid_request: [
    {
      id: 'errors/invalid_request',
      title: 'names each field that is wrong, over REST and in a channel',
      isOurs: true,
      async run(subject) {
        const { id, T, alice } = await subject.conversation();
        const path = `/api/sessions/${id}/messages`;
        const body = { content: 'text', kind: 'what', client_id: '' };
        const answer = await subject.call('POST', path, { as: alice, body });
        const { errors } = subject.problem(answer, 'invalid_request');
        check(Object.keys(errors ?? {}).sort(), ['client_id', 'content', 'kind']);
        const page = await subject.call('GET', `${path}?limit=201`);
        check(Object.keys(subject.problem(page, 'invalid_request').errors ?? {}), ['limit']);
        const socket = await subject.joined(alice, T);
        socket.C(['3', '4', T, 'send', { content: {}, client_id: 7 }]);
        const named = holding({ client_id: [anything], 'content.content': [anything] });
        await socket.S(['3', '4', T, 'phx_reply', error('invalid_request', { errors: named })]);
      },
    },
    {
      id: 'errors/invalid_request-json',
      title: 'JSON that cannot be stored as it is',
      isOurs: true,
      async run(subject) {
        const { id, T, alice } = await subject.conversation();
        const socket = await subject.joined(alice, T);
        const odd = ['"\\u0000"', '"\\ud800"', '9007199254740993', '1e999', '{"__proto__":1}', deep(40)];
        for (const value of odd) {
          const content = `{"a":${value}}`;
          const path = `/api/sessions/${id}/messages`;
          const answer = await subject.call('POST', path, { as: alice, rawBody: `{"content":${content}}` });
          subject.problem(answer, 'invalid_request');
          socket.C(`["3","4",${JSON.stringify(T)},"send",{"content":{"content":${content}}}]`);
          await socket.S(['3', '4', T, 'phx_reply', error('invalid_request')]);
        }
      },
    },
  ],
  not_a_member: [
    {
      id: 'errors/not_a_member',
      title: 'the service names somebody who is no member',
      isOurs: true,
      async run(subject) {
        const { id, T } = await subject.conversation();
        const stranger = await subject.person();
        const body = { sender_id: stranger, content: {} };
        const answer = await subject.call('POST', `/api/sessions/${id}/messages`, { body });
        subject.problem(answer, 'not_a_member');
        const socket = await subject.joined(null, T);
        socket.C(['3', '4', T, 'send', say('x', { sender_id: stranger })]);
        await socket.S(['3', '4', T, 'phx_reply', error('not_a_member')]);
      },
    },
  ],
  not_a_group: [
    {
      id: 'errors/not_a_group',
      title: 'members of a direct session do not change',
      isOurs: true,
      async run(subject) {
        const { id, bob } = await subject.conversation();
        const stranger = await subject.person();
        const path = `/api/sessions/${id}/members`;
        subject.problem(await subject.call('PUT', `${path}/${stranger}`, { body: {} }), 'not_a_group');
        subject.problem(await subject.call('DELETE', `${path}/${bob}`, { as: bob }), 'not_a_group');
      },
    },
  ],
  rate_limited: [
    {
      id: 'errors/rate_limited',
      title: 'frames and calls of a participant beyond its rate; somebody else is not touched',
      isOurs: true,
      async run(subject) {
        const [alice, bob] = (await subject.people(2)) as [string, string];
        check(await floodFrames(subject, alice), error('rate_limited'));
        subject.problem(await floodCalls(subject, alice), 'rate_limited');
        check((await subject.call('GET', '/api/sessions', { as: bob })).status, 200);
      },
    },
  ],
  internal_error: [
    {
      id: 'errors/internal_error',
      title: 'a fault of the server: 500, logged, and nothing of it told',
      why: 'no caller can bring it about, or that is the fault: the fuzz test looks for one',
      proof: { file: 'packages/server/test/http/guard.test.ts', test: 'what fails here with %j is 500' },
    },
  ],
  overloaded: [
    {
      id: 'errors/overloaded-frames',
      title: 'far too many frames at once on one topic: each is answered once, with ok or overloaded',
      isOurs: true,
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const socket = await subject.connect(alice);
        socket.C(['3', '3', T, 'phx_join', {}]);
        const refs = Array.from({ length: 400 }, (_, n) => `r${n}`);
        for (const ref of refs) socket.raw.send(['3', ref, T, 'history', { limit: 1 }]);
        const answers = new Map<unknown, number>();
        while (answers.size < refs.length + 1) {
          const [, ref, , , payload] = await socket.raw.next();
          if (payload.status === 'error') check(payload, error('overloaded'));
          answers.set(ref, (answers.get(ref) ?? 0) + 1);
        }
        check([...new Set(answers.values())], [1]);
        await socket.nothing();
      },
    },
    {
      id: 'errors/overloaded',
      title: 'a full node: 503 with Retry-After',
      why: 'the server under test is not overloaded on purpose',
      proof: { file: 'packages/server/test/http/rates.test.ts', test: 'a full node answers 503' },
    },
  ],
  draining: [
    {
      id: 'errors/draining',
      title: 'a server that stops: 503 for what is new',
      why: 'the server under test is not stopped',
      proof: { file: 'packages/server/test/http/lifecycle.test.ts', test: 'new ones get 503' },
    },
  ],
  outcome_unknown: [
    {
      id: 'errors/outcome_unknown',
      title: 'an append whose end the server does not know, and a retry that settles it',
      why: 'needs a database that stops answering',
      proof: {
        file: 'packages/server/test/conversation/append-faults.test.ts',
        test: 'past its deadline the sender is told "unknown"',
      },
    },
  ],
  unknown_event: [
    {
      id: 'errors/unknown_event',
      title: 'an event that the topic has not: frames/36, for inboxes here',
      isOurs: true,
      async run(subject) {
        const alice = await subject.person();
        const T = `inbox:${alice}`;
        const socket = await subject.joined(alice, T);
        socket.C(['3', '4', T, 'stop', {}]);
        await socket.S(['3', '4', T, 'phx_reply', error('unknown_event')]);
      },
    },
  ],
  binary_unsupported: [
    {
      id: 'errors/binary_unsupported',
      title: 'a binary join: frames/60 has the push',
      isOurs: true,
      async run(subject) {
        const { T, alice } = await subject.conversation();
        const socket = await subject.connect(alice);
        const fields = ['3', '3', T, 'phx_join'];
        socket.C(Buffer.from([0, ...fields.map(({ length }) => length), ...Buffer.from(fields.join(''))]));
        await socket.S(['3', '3', T, 'phx_reply', error('binary_unsupported')]);
      },
    },
  ],
};

function deep(levels: number): string {
  return `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
}

/** Sends heartbeats until one is refused, and returns what it was answered. */
async function floodFrames(subject: Subject, as: string): Promise<unknown> {
  const socket = await subject.connect(as);
  // Four times what a participant may send in one go, unless the server is told otherwise.
  for (let sent = 0; sent < 3_200; sent += 50) {
    for (let n = 0; n < 50; n += 1) socket.raw.send([null, n, 'phoenix', 'heartbeat', {}]);
    const refused = (await socket.raw.settle()).find((frame) => frame[4].status === 'error');
    if (refused !== undefined) return refused[4];
  }
  throw new Skipped('the server has no rate of frames, or a higher one');
}

/** The same over REST, which takes from the same rate. */
async function floodCalls(subject: Subject, as: string): Promise<Answer> {
  for (let round = 0; round < 20; round += 1) {
    const calls = Array.from({ length: 50 }, () => subject.call('GET', '/api/sessions?limit=1', { as }));
    const refused = (await Promise.all(calls)).find(({ status }) => status !== 200);
    if (refused !== undefined) return refused;
  }
  throw new Skipped('the server answers slower than its rate');
}

/** Announces 1 TiB, and sends nothing of it. */
async function announceHugeBody({ target }: Subject): Promise<Answer> {
  const headers = {
    ...(await target.identity.headersOf(null)),
    'content-type': 'application/json',
    'content-length': String(2 ** 40),
  };
  const answer = Promise.withResolvers<Answer>();
  const call = request(new URL('/api/sessions', target.url), { method: 'POST', headers }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk) => chunks.push(chunk));
    response.on('end', () => {
      const received = new Headers(Object.entries(response.headers) as [string, string][]);
      const body = JSON.parse(Buffer.concat(chunks).toString());
      answer.resolve({ status: response.statusCode ?? 0, headers: received, body });
    });
  });
  call.on('error', answer.reject);
  call.flushHeaders();
  try {
    return await answer.promise;
  } finally {
    call.destroy();
  }
}
