import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import type { AnswerSource } from '../agents/answer/read-answer.ts';
import { CallFailed, callFailure } from '../agents/call-failure.ts';

/**
 * A request's body as an answer, for an agent that calls us. Whoever stops reading leaves the connection as it is:
 * the agent is still to be told what became of its stream. When the signal is aborted the body fails, for the reason
 * that the signal's error gives.
 */
export function requestSource(request: IncomingMessage, signal: AbortSignal): AnswerSource {
  const body = new PassThrough();
  const lose = (detail: string) => body.destroy(new CallFailed(callFailure('connection_lost', detail)));
  const onAbort = () => lose((signal.reason as Error).message);
  // Without a listener a body that nobody reads would throw.
  body.on('error', () => {});
  body.once('close', () => signal.removeEventListener('abort', onAbort));
  request.once('error', () => lose('the request ended early'));
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  request.pipe(body);
  // Ended, not destroyed: whoever waits for more of it meets its end, and no error.
  const close = () => {
    request.unpipe(body);
    body.end();
  };
  return { status: 200, contentType: request.headers['content-type'], body, close };
}
