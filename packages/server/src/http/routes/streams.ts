import type { IncomingMessage } from 'node:http';
import {
  type ParticipantId,
  parseSessionId,
  parseShape,
  parseStreamId,
  stopBodySchema,
  stopReplySchema,
  streamsReplySchema,
  streamWriteQuerySchema,
  streamWriteReplySchema,
  wireError,
} from '@fleetlm/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WrittenStream } from '../../agents/turn-control.ts';
import type { Principal } from '../../auth/principal.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import type { Result } from '../../lib/result.ts';
import { type ApiRouteFacts, apiRoute, replyWith } from '../api-route.ts';
import { isPlain } from '../json-body.ts';
import { discardRest, sendProblem } from '../problem.ts';
import { requestSource } from '../request-source.ts';
import type { StreamExchanges } from '../stream-exchanges.ts';

const path = '/sessions/:id/streams';

/** What a stream may be written as: what agents answer, but for documents, which do not stream. */
const writtenTypes = ['text/event-stream', 'application/x-ndjson', 'application/jsonl', 'text/plain'];

const postStop = apiRoute({
  name: 'postStop',
  method: 'POST',
  path: '/sessions/:id/stop',
  tag: 'streams',
  summary: 'Stop a stream, or all that agents do in the session; what came of it is kept',
  body: stopBodySchema,
  reply: stopReplySchema,
  errors: ['session_not_found'],
  handle: ({ streams }, { principal, params, body }) =>
    replyWith(streams.stop(principal, parseSessionId(params['id']), body.stream_id ?? null), (stopped) => ({
      stopped,
    })),
});

const listStreams = apiRoute({
  name: 'listStreams',
  method: 'GET',
  path,
  tag: 'streams',
  summary: 'List the streams that run in a session, oldest first',
  reply: streamsReplySchema,
  errors: ['session_not_found'],
  handle: ({ streams }, { principal, params }) =>
    replyWith(streams.list(principal, parseSessionId(params['id'])), (listed) => ({ streams: listed })),
});

/** The calls about streams that are answered at once. */
export const streamStateRoutes = [postStop, listStreams];

const getStream: ApiRouteFacts = {
  name: 'getStream',
  method: 'GET',
  path: `${path}/:stream_id`,
  tag: 'streams',
  summary: 'Read a running stream from its beginning, as an AI SDK event stream; 204 when there is none',
  stream: { is: 'reply', types: ['text/event-stream'] },
  errors: ['session_not_found'],
};

const postStream: ApiRouteFacts = {
  name: 'postStream',
  method: 'POST',
  path,
  tag: 'streams',
  summary: 'Write a stream as an agent, which is a turn of its own; answered when it is over',
  query: streamWriteQuerySchema,
  stream: { is: 'body', types: writtenTypes },
  reply: streamWriteReplySchema,
  errors: ['session_not_found', 'not_a_member', 'session_closed', 'turn_running'],
};

/** The calls that last as long as a stream: they read or write the connection themselves. */
export const streamRoutes: readonly ApiRouteFacts[] = [getStream, postStream];

export interface StreamRoutesOptions {
  readonly gateway: Gateway;
  readonly exchanges: StreamExchanges;
  /** The request lasts as long as its stream. */
  readonly noteStream: (request: FastifyRequest) => void;
  /** Nothing bounds the time of the request's body until the returned function is called. */
  readonly letLast: (request: IncomingMessage) => () => void;
}

export function addStreamRoutes(api: FastifyInstance, options: StreamRoutesOptions): void {
  api.route({
    method: getStream.method,
    url: getStream.path,
    exposeHeadRoute: false,
    handler: (request, reply) => read(request, reply, options),
  });
  api.register(async (scope) => {
    // The body is left unread: it is the stream.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _body, next) => next(null));
    scope.route({
      method: postStream.method,
      url: postStream.path,
      handler: (request, reply) => write(request, reply, options),
    });
  });
}

async function read(
  request: FastifyRequest,
  reply: FastifyReply,
  { gateway, exchanges, noteStream }: StreamRoutesOptions,
): Promise<FastifyReply> {
  const { id, stream_id: streamId } = request.params as Record<string, string>;
  const principal = request.getDecorator<Principal>('principal');
  // What the guard has set goes out with the head.
  for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value!);
  const stream = exchanges.addReader(reply.raw, principal);
  const read = await gateway.streams.read(principal, parseSessionId(id), parseStreamId(streamId), stream);
  if (!read.ok) return sendProblem(reply, read.error);
  if (read.value === null) return reply.code(204).send();
  noteStream(request);
  reply.hijack();
  stream.onEnd(read.value);
  return reply;
}

async function write(
  request: FastifyRequest,
  reply: FastifyReply,
  options: StreamRoutesOptions,
): Promise<FastifyReply> {
  const { headers } = request;
  if (!isPlain(headers['content-encoding']) || !isWritten(headers['content-type'])) {
    return sendProblem(reply, notWritten);
  }
  const query = parseShape(streamWriteQuerySchema, request.query);
  if (!query.ok) return sendProblem(reply, query.error);
  const written = await writeWithoutHurry(request, reply, { ...options, agentId: query.value.agent_id });
  if (!written.ok) return sendProblem(reply, written.error);
  discardRest(request.raw);
  return reply.type('application/json').send(JSON.stringify(toReply(written.value)));
}

async function writeWithoutHurry(
  request: FastifyRequest,
  reply: FastifyReply,
  {
    gateway,
    exchanges,
    noteStream,
    letLast,
    agentId,
  }: StreamRoutesOptions & { agentId: ParticipantId | undefined },
): Promise<Result<WrittenStream>> {
  const { id } = request.params as Record<string, string>;
  const principal = request.getDecorator<Principal>('principal');
  noteStream(request);
  const hurryAgain = letLast(request.raw);
  const writing = exchanges.addWriter(reply.raw, principal, agentId ?? null);
  const source = requestSource(request.raw, writing.signal);
  try {
    return await gateway.streams.write(principal, parseSessionId(id), agentId, source);
  } finally {
    source.close();
    hurryAgain();
  }
}

const notWritten = wireError(
  'unsupported_media_type',
  `A stream is written as ${writtenTypes.join(', ')}, not compressed`,
);

function isWritten(contentType: string | undefined): boolean {
  return writtenTypes.includes((contentType ?? '').toLowerCase().split(';', 1)[0]!.trim());
}

function toReply({ turnId, streamId, messageId, seq, termination }: WrittenStream) {
  return { turn_id: turnId, stream_id: streamId, message_id: messageId, seq, termination };
}
