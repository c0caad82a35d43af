import { isUtf8 } from 'node:buffer';
import { maxJsonDepth, wireError } from '@fleetlm/protocol';
import type { FastifyInstance } from 'fastify';
import { nestsDeeper } from '../lib/json-depth.ts';
import { Refusal } from './problem.ts';

/**
 * Accepts `application/json` and nothing else: what is compressed is never inflated. Plain `JSON.parse`: a
 * `__proto__` key becomes a key like any other, which the shapes refuse where it would be stored. An empty body is
 * none: the route knows if it needs one.
 */
export function acceptJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      if (!isPlain(request.headers['content-encoding'])) throw new Refusal(compressed);
      done(null, body.length === 0 ? undefined : parseJson(body));
    } catch (error) {
      done(error as Refusal);
    }
  });
}

const compressed = wireError(
  'unsupported_media_type',
  'The body must not be compressed: no Content-Encoding',
);

/** Whether a body is as it was written. */
export function isPlain(encoding: string | undefined): boolean {
  return encoding === undefined || encoding === '' || encoding.toLowerCase() === 'identity';
}

/** Beyond all that could be stored, with room for what is ignored. What is a little too deep, its shape names. */
const maxBodyDepth = 2 * maxJsonDepth;

const depthProblem = `nests deeper than ${maxJsonDepth} levels`;
const tooDeep = wireError('invalid_request', `body ${depthProblem}`, { body: [depthProblem] });

function parseJson(body: Buffer): unknown {
  // Decoding would put U+FFFD for each bad byte, and store what nobody sent.
  if (!isUtf8(body)) throw new Refusal(wireError('invalid_json', 'The body is not UTF-8'));
  if (nestsDeeper(body, maxBodyDepth)) throw new Refusal(tooDeep);
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
