import {
  appendBodySchema,
  appendReplySchema,
  historyQuerySchema,
  historyReplySchema,
  parseSessionId,
  wireError,
} from '@fleetlm/protocol';
import type { Principal } from '../../auth/principal.ts';
import type { Appended, AppendRequest } from '../../gateway/append-request.ts';
import type { HistoryPage, MessageCalls } from '../../gateway/message-calls.ts';
import { fail, ok, type Result } from '../../lib/result.ts';
import { apiRoute } from '../api-route.ts';

const path = '/sessions/:id/messages';

const getMessages = apiRoute({
  name: 'getMessages',
  method: 'GET',
  path,
  tag: 'messages',
  summary: 'Read a page of a session’s messages, ascending; without a cursor the newest',
  query: historyQuerySchema,
  reply: historyReplySchema,
  errors: ['session_not_found'],
  handle: async ({ messages }, { principal, params, query }) => {
    const page = await messages.history(principal, parseSessionId(params['id']), {
      afterSeq: query.after_seq,
      beforeSeq: query.before_seq,
      afterId: query.after_id,
      limit: query.limit,
    });
    return page.ok ? ok(encodePage(page.value)) : page;
  },
});

const postMessage = apiRoute({
  name: 'postMessage',
  method: 'POST',
  path,
  tag: 'messages',
  summary: 'Append a message: answered once it is committed',
  body: appendBodySchema,
  reply: appendReplySchema,
  errors: ['session_not_found', 'session_closed', 'client_id_conflict', 'not_a_member', 'outcome_unknown'],
  handle: async ({ messages }, { principal, params, body, trace }) => {
    const sessionId = parseSessionId(params['id']);
    if (sessionId === null) return fail(wireError('session_not_found'));
    const { sender_id, client_id, ...input } = body;
    const request = { sessionId, senderId: sender_id ?? null, clientId: client_id ?? null, input, trace };
    const appended = await append(messages, principal, request);
    return appended.ok ? ok(encodeAppended(appended.value)) : appended;
  },
});

/** `/api/sessions/:id/messages` */
export const messageRoutes = [getMessages, postMessage];

function append(calls: MessageCalls, principal: Principal, request: AppendRequest) {
  const { promise, resolve } = Promise.withResolvers<Result<Appended>>();
  calls.append(principal, request, resolve);
  return promise;
}

// A message is JSON text already: its bytes are the same here, on every socket and on the next page.

function encodeAppended({ message, deduplicated }: Appended): string {
  return `{"message":${message.json},"deduplicated":${deduplicated}}`;
}

function encodePage({ messages, hasMoreBefore, hasMoreAfter, lastSeq }: HistoryPage): string {
  const texts = messages.map((message) => message.json).join(',');
  return `{"messages":[${texts}],"has_more_before":${hasMoreBefore},"has_more_after":${hasMoreAfter},"last_seq":${lastSeq}}`;
}
