import { request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import type { ErrorCode } from '@fleetlm/protocol';
import type { Entry } from '../../case.ts';
import { check } from '../../mismatch.ts';
import { error } from '../../notation.ts';
import { anything, holding } from '../../pattern.ts';
import { type Answer, parseBody, type Subject } from '../../subject.ts';

/** What is wrong with a request, whoever sends it. */
export const requestErrors = {
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
        const own = holding({ client_id: [anything] });
        for (const [ref, client_id] of Object.entries({ 5: 'turn:1:0', 6: 'hop-limit:1' })) {
          const body = { content: { text: 'mine' }, client_id };
          const taken = await subject.call('POST', path, { as: alice, body });
          check(Object.keys(subject.problem(taken, 'invalid_request').errors ?? {}), ['client_id']);
          socket.C(['3', ref, T, 'send', { content: { content: { text: 'mine' } }, client_id }]);
          await socket.S(['3', ref, T, 'phx_reply', error('invalid_request', { errors: own })]);
        }
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
} satisfies Partial<Record<ErrorCode, readonly Entry[]>>;

function deep(levels: number): string {
  return `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
}

/** Announces 1 TiB, and sends nothing of it. */
async function announceHugeBody({ target }: Subject): Promise<Answer> {
  const headers = {
    ...(await target.identity.headersOf(null)),
    'content-type': 'application/json',
    'content-length': String(2 ** 40),
  };
  const answer = Promise.withResolvers<Answer>();
  const url = new URL('/api/sessions', target.url);
  const request = url.protocol === 'https:' ? requestSecure : requestPlain;
  const call = request(url, { method: 'POST', headers }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk) => chunks.push(chunk));
    response.on('end', () => {
      const received = new Headers(Object.entries(response.headers) as [string, string][]);
      const body = parseBody(Buffer.concat(chunks).toString());
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
