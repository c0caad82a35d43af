import { type DestinationStream, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';
import type { Config } from '../config/config.ts';
import type { Log } from '../lib/log.ts';

/**
 * Keys whose values are never written, should somebody hand one over after all: the first line of defence is that
 * nobody does.
 */
const secretKeys = ['token', 'authorization', 'cookie', 'secret', 'password', 'connectionString'];

/**
 * The process's log on stdout: a JSON object a line; at a terminal, lines for people. Message bodies, tokens, the
 * queries of URLs and secrets are never given to it. Keys are snake_case, and ids have the same ones everywhere.
 */
export function createLogger({ level }: Config['log'], destination: DestinationStream = stdout()): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: withoutData },
    redact: secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]),
  };
  return pino(options, destination);
}

/** Postgres quotes the refused row in an error's `detail` and `where`: that is somebody's message. */
function withoutData(error: Error & { readonly code?: string }): object {
  const { name, message, code, stack, cause } = error;
  return { type: name, message, code, stack, ...(cause instanceof Error && { cause: withoutData(cause) }) };
}

function stdout(): DestinationStream {
  return process.stdout.isTTY ? linesForPeople() : pino.destination({ sync: true });
}

function linesForPeople(): DestinationStream {
  return PinoPretty({ translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname', sync: true });
}
