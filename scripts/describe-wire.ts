import { createHash } from 'node:crypto';
import {
  closeCodes,
  describeAsyncApi,
  errorTable,
  serializerV1,
  serializerV2,
  toJsonSchemas,
} from '@fleetlm/protocol';
import { describeOpenApi } from 'fleetlm';

/** What clients rely on, one line each: what is short as it is, what is long as a hash. */
export interface Wire {
  readonly shapes: Readonly<Record<string, string>>;
  readonly calls: Readonly<Record<string, string>>;
  readonly events: Readonly<Record<string, string>>;
  readonly errors: Readonly<Record<string, string>>;
  readonly closeCodes: Readonly<Record<string, string>>;
  readonly frames: Readonly<Record<string, unknown>>;
}

/** `packages/protocol/wire.json`: the wire as the code has it. */
export function describeWire(): Wire {
  return {
    shapes: mapValues(toJsonSchemas('draft-2020-12'), hash),
    calls: Object.fromEntries(calls().map(([name, call]) => [name, hash(call)])),
    events: Object.fromEntries(events().map(([name, payload]) => [name, hash(payload)])),
    errors: mapValues(
      errorTable,
      ({ status, retryable }) => `${status}, ${retryable ? 'retryable' : 'final'}`,
    ),
    closeCodes: mapValues(closeCodes, ({ reason }) => reason ?? ''),
    frames: frames(),
  };
}

/** The names of what differs, as `shapes.Message`. */
export function findChanges(before: Wire, now: Wire): string[] {
  const parts = Object.keys({ ...before, ...now }) as (keyof Wire)[];
  return parts.flatMap((part) => {
    const old: Readonly<Record<string, unknown>> = before[part] ?? {};
    const names = Object.keys({ ...old, ...now[part] });
    return names
      .filter((name) => JSON.stringify(old[name]) !== JSON.stringify(now[part][name]))
      .map((name) => `${part}.${name}`);
  });
}

function calls(): [string, object][] {
  const { paths } = describeOpenApi() as { paths: Record<string, Record<string, object>> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, call]): [string, object] => [
      `${method.toUpperCase()} ${path}`,
      call,
    ]),
  );
}

function events(): [string, object][] {
  const { channels } = describeAsyncApi() as unknown as {
    channels: Record<string, { address: string; messages: Record<string, { payload: object }> }>;
  };
  return Object.values(channels).flatMap(({ address, messages }) =>
    Object.entries(messages).map(([name, { payload }]): [string, object] => [`${address} ${name}`, payload]),
  );
}

/** Each form of a frame as text, by serializer; and what is read of a frame. */
function frames(): Record<string, unknown> {
  const pairs = [serializerV2, serializerV1].flatMap((serializer) => {
    const { version } = serializer;
    const read =
      version === 2 ? '["3","4","t","e",{},"ignored"]' : '{"topic":"t","event":"e","payload":{},"ref":4}';
    return [
      [`v${version} reply`, serializer.reply('3', '4', 't', 'ok', '{}')],
      [`v${version} push`, serializer.push('3', null, 't', 'e', '{}')],
      [`v${version} broadcast`, serializer.broadcast('t', 'e', '{}')],
      [`v${version} read`, serializer.decode(read)],
    ];
  });
  return Object.fromEntries(pairs);
}

/** Words for people may change; everything else counts. */
const words = new Set(['title', 'summary', 'description', 'examples', 'tags', 'operationId']);

function hash(value: object): string {
  return createHash('sha256')
    .update(JSON.stringify(withoutWords(value)))
    .digest('hex')
    .slice(0, 16);
}

/** Keys in order. Below `properties` a key is the name of a field, whatever it says. */
function withoutWords(value: unknown, areNames = false): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => withoutWords(each));
  const entries = Object.entries(value).filter(([key]) => areNames || !words.has(key));
  return Object.fromEntries(
    entries
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, each]) => [key, withoutWords(each, key === 'properties' && !areNames)]),
  );
}

function mapValues<T, Key extends PropertyKey>(
  record: Readonly<Record<Key, T>>,
  toText: (value: T) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries<T>(record).map(([key, value]) => [key, toText(value)]));
}
