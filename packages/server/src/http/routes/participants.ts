import {
  parseParticipantId,
  participantBodySchema,
  participantReplySchema,
  participantsQuerySchema,
  participantsReplySchema,
  wireError,
} from '@fleetlm/protocol';
import { fail } from '../../lib/result.ts';
import { apiRoute, replyWith } from '../api-route.ts';

const listParticipants = apiRoute({
  name: 'listParticipants',
  method: 'GET',
  path: '/participants',
  tag: 'participants',
  summary: 'List participants; a participant finds itself',
  query: participantsQuerySchema,
  reply: participantsReplySchema,
  errors: [],
  handle: ({ participants }, { principal, query }) =>
    replyWith(participants.list(principal, query), ({ items, nextCursor }) => ({
      participants: items,
      next_cursor: nextCursor,
    })),
});

const getParticipant = apiRoute({
  name: 'getParticipant',
  method: 'GET',
  path: '/participants/:id',
  tag: 'participants',
  summary: 'Read a participant',
  reply: participantReplySchema,
  errors: ['participant_not_found'],
  handle: ({ participants }, { principal, params }) =>
    replyWith(participants.get(principal, parseParticipantId(params['id'])), (participant) => ({
      participant,
    })),
});

const putParticipant = apiRoute({
  name: 'putParticipant',
  method: 'PUT',
  path: '/participants/:id',
  tag: 'participants',
  summary: 'Make or change a participant; its kind and status only as the service',
  body: participantBodySchema,
  reply: participantReplySchema,
  errors: ['participant_not_found'],
  handle: async ({ participants }, { principal, params, body }) => {
    const id = parseParticipantId(params['id']);
    if (id === null) return fail(wireError('participant_not_found', 'No participant can have such an id'));
    return replyWith(participants.upsert(principal, id, body), (participant) => ({ participant }));
  },
});

/** `/api/participants` */
export const participantRoutes = [listParticipants, getParticipant, putParticipant];
