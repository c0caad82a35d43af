import {
  type ErrorCode,
  errorTable,
  type JsonSchema,
  type ShapeName,
  schemasUsedBy,
  shapeName,
  shapeRef,
  toJsonSchema,
} from '@fleetlm/protocol';
import type { z } from 'zod';
import type { ApiRouteFacts } from './api-route.ts';
import { problemMediaType } from './problem.ts';
import { apiRoutes } from './routes/api-routes.ts';
import { streamRoutes } from './routes/streams.ts';

const routes: readonly ApiRouteFacts[] = [...apiRoutes, ...streamRoutes];

/** `docs/openapi.json`: the REST API as OpenAPI 3.1, made from its routes. */
export function describeOpenApi(): JsonSchema {
  const paths = { ...describePaths(), ...healthPaths };
  const responses = Object.fromEntries(
    errorGroups().map((codes) => [groupName(codes), describeErrors(codes)]),
  );
  return {
    openapi: '3.1.0',
    info: {
      title: 'FleetLM',
      version: '1',
      description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The server that serves this document' }],
    security: [{ bearer: [] }, { participant: [] }, {}],
    tags,
    paths,
    components: {
      securitySchemes,
      schemas: schemasUsedBy({ paths, responses }, 'draft-2020-12'),
      responses,
    },
  };
}

function describePaths(): Record<string, Record<string, JsonSchema>> {
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const route of routes) {
    const path = `/api${route.path.replace(/:(\w+)/g, '{$1}')}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describeCall(route) };
  }
  return paths;
}

function describeCall(route: ApiRouteFacts): JsonSchema {
  const { name, tag, summary, query, body, reply, stream, status = 200 } = route;
  const parameters = [...pathParameters(route.path), ...queryParameters(query)];
  return {
    operationId: name,
    tags: [tag],
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: isRequired(body), content: jsonContent(body) } }),
    ...(stream?.is === 'body' && { requestBody: { required: true, content: streamContent(stream.types) } }),
    responses: {
      ...(reply && { [status]: { description: 'Done', content: jsonContent(reply) } }),
      ...(stream?.is === 'reply' && streamReplies(stream.types)),
      ...Object.fromEntries(groupsOf(route).map((codes) => [statusOf(codes), errorRef(codes)])),
    },
  };
}

function pathParameters(path: string): JsonSchema[] {
  return [...path.matchAll(/\/(\w+)\/:(\w+)/g)].map(([, collection, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: shapeRef(shapeByCollection[collection!] ?? 'ParticipantId'),
  }));
}

const shapeByCollection: Readonly<Record<string, ShapeName>> = {
  sessions: 'SessionId',
  streams: 'StreamId',
  turns: 'TurnId',
};

function queryParameters(query: z.ZodObject | undefined): JsonSchema[] {
  return Object.entries(query?.shape ?? {}).map(([name, field]) => ({
    name,
    in: 'query',
    schema: toJsonSchema(field as z.ZodType),
  }));
}

function jsonContent(schema: z.ZodType): JsonSchema {
  return { 'application/json': { schema: shapeRef(shapeName(schema)) } };
}

function streamReplies(types: readonly string[]): JsonSchema {
  return {
    200: { description: 'The stream, up to its end', content: streamContent(types) },
    204: { description: 'There is none' },
  };
}

function streamContent(types: readonly string[]): JsonSchema {
  const schema = { type: 'string', description: 'Chunks of an AI SDK UI message stream' };
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}

function isRequired(body: z.ZodType): boolean {
  return !body.safeParse(undefined).success;
}

/** What any call may be answered with: before it is looked at, or because of a fault. */
export const anyCallErrors: readonly ErrorCode[] = [
  'bad_request',
  'unauthorized',
  'forbidden',
  'participant_disabled',
  'rate_limited',
  'internal_error',
  'overloaded',
  'draining',
];
/** What any call that is no GET may be answered with, because of its body. */
export const anyBodyErrors: readonly ErrorCode[] = [
  'invalid_json',
  'payload_too_large',
  'unsupported_media_type',
];

/** Every error that a call may be answered with. */
function errorsOf({ method, query, body, errors }: ApiRouteFacts): ReadonlySet<ErrorCode> {
  const ofShapes: ErrorCode[] = query || body ? ['invalid_request'] : [];
  // A body that nobody asked for is looked at as well, but by GET.
  return new Set([...errors, ...ofShapes, ...(method === 'GET' ? [] : anyBodyErrors), ...anyCallErrors]);
}

/** The errors of a call, those of one status together, in the table's order. */
function groupsOf(route: ApiRouteFacts): ErrorCode[][] {
  const codes = errorsOf(route);
  const inOrder = (Object.keys(errorTable) as ErrorCode[]).filter((code) => codes.has(code));
  return [...Map.groupBy(inOrder, (code) => errorTable[code].status).values()];
}

function errorGroups(): ErrorCode[][] {
  const groups = routes.flatMap(groupsOf);
  return [...new Map(groups.map((codes) => [groupName(codes), codes])).values()];
}

function groupName(codes: readonly ErrorCode[]): string {
  return codes.join('.');
}

function statusOf([first]: readonly ErrorCode[]): number {
  return errorTable[first!].status;
}

function errorRef(codes: readonly ErrorCode[]): JsonSchema {
  return { $ref: `#/components/responses/${groupName(codes)}` };
}

function describeErrors(codes: readonly ErrorCode[]): JsonSchema {
  const schema = { allOf: [shapeRef('Problem'), { properties: { code: { enum: codes } } }] };
  return {
    description: codes.map((code) => `\`${code}\`: ${errorTable[code].title}`).join('. '),
    ...errorHeaders(statusOf(codes)),
    content: { [problemMediaType]: { schema } },
  };
}

function errorHeaders(status: number): JsonSchema {
  if (status === 401) return { headers: { 'www-authenticate': { schema: { const: 'Bearer' } } } };
  if (status !== 429 && status !== 503) return {};
  return { headers: { 'retry-after': { description: 'Seconds', schema: { type: 'integer' } } } };
}

const tags = [
  { name: 'participants', description: 'Who talks' },
  { name: 'sessions', description: 'Conversations' },
  { name: 'members', description: 'Who is in a session' },
  { name: 'messages', description: 'What was said, and read' },
  { name: 'streams', description: 'What agents are saying' },
  { name: 'inbox', description: 'A participant’s sessions' },
  { name: 'agents', description: 'How agents are called, and what came of it' },
  { name: 'health', description: 'For those who run it' },
];

const securitySchemes = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'Whose `sub` is the participant, or with `role: "service"`',
  },
  participant: {
    type: 'apiKey',
    in: 'header',
    name: 'x-participant-id',
    description: 'With `FLEETLM_AUTH=none` only: who calls. Without it the service does.',
  },
};

const health = (status: string, more: object = {}) => ({
  type: 'object',
  properties: { status: { const: status }, ...more },
  required: ['status', ...Object.keys(more)],
});

function healthCall(
  name: string,
  summary: string,
  schemas: Readonly<Record<string, JsonSchema>>,
): JsonSchema {
  const responses = Object.entries(schemas).map(([status, schema]) => [
    status,
    { description: status === '200' ? 'Yes' : 'No, and why', content: { 'application/json': { schema } } },
  ]);
  return {
    operationId: name,
    tags: ['health'],
    summary,
    security: [],
    responses: Object.fromEntries(responses),
  };
}

const reasons = { type: 'array', items: { type: 'string' } };

const healthPaths = {
  '/health/live': { get: healthCall('getLive', 'Whether the process is alive', { 200: health('live') }) },
  '/health/ready': {
    get: healthCall('getReady', 'Whether it should get traffic', {
      200: health('ready'),
      503: health('not_ready', { reasons }),
    }),
  },
};

const description = `Durable, real-time conversations of people and AI agents. JSON in and out; times are ISO 8601 with \`Z\`.

Unknown fields of requests are ignored, and null for an optional field is as good as leaving it out, but
\`display_name: null\` takes the name away. Clients must tolerate fields and error codes that they do not know.

Errors are \`application/problem+json\` (RFC 9457); the \`code\` is the contract: see \`/docs/errors\`. Messages also come
live over WebSocket: see \`/docs/protocol\` and \`/asyncapi.json\`.
`;
