import {
  deliveriesQuerySchema,
  deliveriesReplySchema,
  type Endpoint,
  endpointBodySchema,
  endpointReplySchema,
  endpointTestReplySchema,
  parseParticipantId,
  parseTurnId,
  turnReplySchema,
  turnsQuerySchema,
  turnsReplySchema,
} from '@fleetlm/protocol';
import { apiRoute, replyWith } from '../api-route.ts';

const path = '/agents/:id/endpoint';
const toReply = (endpoint: Endpoint) => ({ endpoint });

const getEndpoint = apiRoute({
  name: 'getEndpoint',
  method: 'GET',
  path,
  tag: 'agents',
  summary: 'Read where an agent is called, and how; the service only, as all calls here',
  reply: endpointReplySchema,
  errors: ['participant_not_found', 'endpoint_not_found'],
  handle: ({ agents }, { principal, params }) =>
    replyWith(agents.getEndpoint(principal, parseParticipantId(params['id'])), toReply),
});

const putEndpoint = apiRoute({
  name: 'putEndpoint',
  method: 'PUT',
  path,
  tag: 'agents',
  summary: 'Make or change an agent’s endpoint; the reply to its making shows the signing secret, this once',
  body: endpointBodySchema,
  reply: endpointReplySchema,
  errors: ['participant_not_found', 'url_not_allowed'],
  handle: ({ agents }, { principal, params, body }) =>
    replyWith(agents.putEndpoint(principal, parseParticipantId(params['id']), body), toReply),
});

const deleteEndpoint = apiRoute({
  name: 'deleteEndpoint',
  method: 'DELETE',
  path,
  tag: 'agents',
  summary: 'Take an agent’s endpoint away: messages wake it no more',
  reply: endpointReplySchema,
  errors: ['participant_not_found', 'endpoint_not_found'],
  handle: ({ agents }, { principal, params }) =>
    replyWith(agents.deleteEndpoint(principal, parseParticipantId(params['id'])), toReply),
});

const testEndpoint = apiRoute({
  name: 'testEndpoint',
  method: 'POST',
  path: `${path}/test`,
  tag: 'agents',
  summary: 'Call an agent’s endpoint once with a sample and say what came; nothing is stored',
  reply: endpointTestReplySchema,
  errors: ['participant_not_found', 'endpoint_not_found'],
  handle: ({ agents }, { principal, params }) =>
    replyWith(agents.testEndpoint(principal, parseParticipantId(params['id'])), (test) => ({ test })),
});

const rotateSecret = apiRoute({
  name: 'rotateSecret',
  method: 'POST',
  path: `${path}/rotate-secret`,
  tag: 'agents',
  summary:
    'Make a new signing secret, shown this once; for 24 hours calls are signed with the old one as well',
  reply: endpointReplySchema,
  errors: ['participant_not_found', 'endpoint_not_found'],
  handle: ({ agents }, { principal, params }) =>
    replyWith(agents.rotateSecret(principal, parseParticipantId(params['id'])), toReply),
});

const listTurns = apiRoute({
  name: 'listTurns',
  method: 'GET',
  path: '/agents/:id/turns',
  tag: 'agents',
  summary: 'List an agent’s turns, newest first',
  query: turnsQuerySchema,
  reply: turnsReplySchema,
  errors: ['participant_not_found'],
  handle: ({ agents }, { principal, params, query }) =>
    replyWith(
      agents.listTurns(principal, parseParticipantId(params['id']), query),
      ({ items, nextCursor }) => ({ turns: items, next_cursor: nextCursor }),
    ),
});

const listDeliveries = apiRoute({
  name: 'listDeliveries',
  method: 'GET',
  path: '/agents/:id/deliveries',
  tag: 'agents',
  summary: 'List the attempts to call an agent, newest first',
  query: deliveriesQuerySchema,
  reply: deliveriesReplySchema,
  errors: ['participant_not_found'],
  handle: ({ agents }, { principal, params, query }) =>
    replyWith(
      agents.listDeliveries(principal, parseParticipantId(params['id']), query),
      ({ items, nextCursor }) => ({ deliveries: items, next_cursor: nextCursor }),
    ),
});

const redeliverTurn = apiRoute({
  name: 'redeliverTurn',
  method: 'POST',
  path: '/agents/:id/turns/:turn_id/redeliver',
  tag: 'agents',
  summary: 'Make a new turn over what a failed, dead or stopped one has not answered',
  reply: turnReplySchema,
  status: 201,
  errors: [
    'participant_not_found',
    'endpoint_not_found',
    'turn_not_found',
    'turn_pending',
    'invalid_request',
  ],
  handle: ({ agents }, { principal, params }) =>
    replyWith(
      agents.redeliver(principal, parseParticipantId(params['id']), parseTurnId(params['turn_id'])),
      (turn) => ({ turn }),
    ),
});

/** `/api/agents` */
export const agentRoutes = [
  getEndpoint,
  putEndpoint,
  deleteEndpoint,
  testEndpoint,
  rotateSecret,
  listTurns,
  listDeliveries,
  redeliverTurn,
];
