import { isUtf8 } from 'node:buffer';
import { wireError } from '@fleetlm/protocol';
import type { FastifyInstance } from 'fastify';
import { Refusal } from './problem.ts';

/**
 * Accepts `application/json` and nothing else. Plain `JSON.parse`: a `__proto__` key becomes a key like any
 * other, which the shapes refuse where it would be stored. An empty body is none: the route knows if it needs one.
 */
export function acceptJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, body.length === 0 ? undefined : parseJson(body));
    } catch (error) {
      done(error as Refusal);
    }
  });
}

function parseJson(body: Buffer): unknown {
  // Decoding would put U+FFFD for each bad byte, and store what nobody sent.
  if (!isUtf8(body)) throw new Refusal(wireError('invalid_json', 'The body is not UTF-8'));
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new Refusal(wireError('invalid_json', `The body is not JSON: ${positionOf(error)}`));
  }
}

/** V8's message without its excerpt of the body, which may end in logs of the client. */
function positionOf(error: unknown): string {
  const text = error instanceof Error ? error.message : '';
  return text.match(/at position \d+/)?.[0] ?? 'it ends early or holds something else';
}
