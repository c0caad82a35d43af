import fc from 'fast-check';

export interface FuzzedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
}

/** What exists on the server, so that some requests mean something. */
export interface KnownIds {
  readonly sessionId: string;
  readonly participantIds: readonly string[];
}

/** Any request that Node's client lets out: some near to one of the API's. */
export function requestArbitrary(known: KnownIds): fc.Arbitrary<FuzzedRequest> {
  return fc.record({
    method: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE') },
      { weight: 1, arbitrary: fc.constantFrom('HEAD', 'OPTIONS', 'PROPFIND', 'SEARCH') },
    ),
    path: pathArbitrary(known),
    headers: headersArbitrary(known),
    body: fc.option(bodyArbitrary(known), { nil: null, freq: 3 }),
  });
}

const text = fc.string({ unit: 'binary', maxLength: 30 });
const json = fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' });

function pathArbitrary({ sessionId, participantIds }: KnownIds): fc.Arbitrary<string> {
  const segment = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.constantFrom('participants', 'sessions', 'messages', 'members', 'read', 'inbox'),
    },
    { weight: 6, arbitrary: fc.constantFrom(sessionId, ...participantIds.map(encodeURIComponent)) },
    { weight: 1, arbitrary: text.map(encode) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('', '.', '..', '%00', '%2F', '%zz', '%C0%80', 'x'.repeat(3_000)),
    },
  );
  const known = fc.constantFrom(
    '/api/participants',
    '/api/sessions',
    `/api/sessions/${sessionId}`,
    `/api/sessions/${sessionId}/messages`,
    `/api/sessions/${sessionId}/read`,
    `/api/sessions/${sessionId}/members`,
    ...participantIds.flatMap((id) => [
      `/api/participants/${id}`,
      `/api/participants/${id}/inbox`,
      `/api/sessions/${sessionId}/members/${id}`,
    ]),
  );
  const made = fc.array(segment, { maxLength: 5 }).map((segments) => `/api/${segments.join('/')}`);
  const path = fc.oneof({ weight: 3, arbitrary: known }, { weight: 2, arbitrary: made });
  return fc.tuple(path, queryArbitrary()).map(([base, query]) => (query === '' ? base : `${base}?${query}`));
}

function queryArbitrary(): fc.Arbitrary<string> {
  const name = fc.oneof(
    fc.constantFrom(
      'limit',
      'cursor',
      'kind',
      'status',
      'participant_id',
      'after_seq',
      'before_seq',
      'after_id',
    ),
    text.map(encode),
  );
  const value = fc.oneof(
    fc.integer().map(String),
    fc.constantFrom('user', 'group', 'open', '9007199254740993', '1e5', '0x10', '', '%E0%A4%A', 'MQ'),
    text.map(encode),
    text.map((each) => encode(Buffer.from(each).toString('base64url'))),
  );
  return fc
    .array(fc.tuple(name, value), { maxLength: 4 })
    .map((pairs) => pairs.map((pair) => pair.join('=')).join('&'));
}

function headersArbitrary({ participantIds }: KnownIds): fc.Arbitrary<Record<string, string>> {
  // What a header may hold: no control characters, nothing beyond latin1.
  const value = fc.string({
    unit: fc
      .integer({ min: 0x20, max: 0xff })
      .filter((code) => code !== 0x7f)
      .map((code) => String.fromCharCode(code)),
    maxLength: 30,
  });
  return fc.record(
    {
      'content-type': fc.oneof({ weight: 8, arbitrary: fc.constant('application/json') }, value),
      'x-participant-id': fc.oneof(fc.constantFrom(...participantIds), value),
      authorization: fc.oneof(fc.constant('Bearer x.y.z'), value),
      origin: fc.oneof(fc.constant('https://evil.example'), value),
      'x-request-id': value,
      accept: value,
      'content-encoding': fc.constantFrom('gzip', 'identity'),
      'access-control-request-method': value,
      'x-odd': value,
    },
    { requiredKeys: ['content-type'] },
  );
}

function bodyArbitrary({ participantIds }: KnownIds): fc.Arbitrary<Buffer> {
  const field = fc.oneof(
    fc.constantFrom(...participantIds, 'group', 'text', 'system', 'closed', 'open', 'mention', 'k1'),
    fc.constantFrom<unknown>(
      {},
      [...participantIds],
      { text: 'hello' },
      null,
      1,
      -1,
      2 ** 60,
      '\u0000',
      '\ud800',
    ),
    json,
  );
  const shaped = fc.dictionary(
    fc.oneof(
      fc.constantFrom('initiator_id', 'peer_id', 'member_ids', 'kind', 'metadata', 'status', 'display_name'),
      fc.constantFrom('content', 'sender_id', 'client_id', 'participant_id', 'message_id', 'seq', 'wake'),
      text,
    ),
    field,
    { maxKeys: 6 },
  );
  return fc.oneof(
    { weight: 8, arbitrary: shaped.map((body) => Buffer.from(JSON.stringify(body))) },
    { weight: 1, arbitrary: json.map((body) => Buffer.from(JSON.stringify(body) ?? '')) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array)) },
    {
      weight: 1,
      arbitrary: fc.nat(5_000).map((depth) => Buffer.from(`{"content":${'{"a":'.repeat(depth)}`)),
    },
    { weight: 1, arbitrary: fc.constant(Buffer.alloc(300_000, ' ')) },
  );
}

function encode(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}
