import { appendBodySchema, historyQuerySchema, parseSessionId, wireError } from '@fleetlm/protocol';
import type { Principal } from '../../auth/principal.ts';
import type { Appended, AppendRequest } from '../../gateway/append-request.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import type { HistoryPage, MessageCalls } from '../../gateway/message-calls.ts';
import { fail, ok, type Result } from '../../lib/result.ts';
import { type ApiCall, type ApiReply, type ApiRoute, withShape } from '../api-route.ts';

/** `/api/sessions/:id/messages` */
export function messageRoutes({ messages }: Gateway): ApiRoute[] {
  const path = '/sessions/:id/messages';
  return [
    { method: 'GET', path, handle: (call) => getMessages(messages, call) },
    { method: 'POST', path, handle: (call) => postMessage(messages, call) },
  ];
}

function getMessages(calls: MessageCalls, { principal, params, query }: ApiCall): Promise<Result<ApiReply>> {
  const sessionId = parseSessionId(params['id']);
  return withShape(historyQuerySchema, query, async (wanted) => {
    const page = await calls.history(principal, sessionId, {
      afterSeq: wanted.after_seq,
      beforeSeq: wanted.before_seq,
      afterId: wanted.after_id,
      limit: wanted.limit,
    });
    return page.ok ? ok({ status: 200, json: encodePage(page.value) }) : page;
  });
}

function postMessage(calls: MessageCalls, call: ApiCall): Promise<Result<ApiReply>> {
  const { principal, params, body, trace } = call;
  const sessionId = parseSessionId(params['id']);
  return withShape(appendBodySchema, body, async ({ sender_id, client_id, ...input }) => {
    if (sessionId === null) return fail(wireError('session_not_found'));
    const request = { sessionId, senderId: sender_id ?? null, clientId: client_id ?? null, input, trace };
    const appended = await append(calls, principal, request);
    return appended.ok ? ok({ status: 200, json: encodeAppended(appended.value) }) : appended;
  });
}

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
