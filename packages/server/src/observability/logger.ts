import { type DestinationStream, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';
import type { Config } from '../config/config.ts';
import type { Log } from '../lib/log.ts';

/**
 * The process's log on stdout: a JSON object a line; at a terminal, lines for people. Message bodies, tokens and
 * secrets are never given to it.
 */
export function createLogger({ level }: Config['log']): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: withoutData },
  };
  return pino(options, process.stdout.isTTY ? linesForPeople() : pino.destination({ sync: true }));
}

/** Postgres quotes the refused row in an error's `detail` and `where`: that is somebody's message. */
function withoutData(error: Error & { readonly code?: string }): object {
  const { name, message, code, stack, cause } = error;
  return { type: name, message, code, stack, ...(cause instanceof Error && { cause: withoutData(cause) }) };
}

function linesForPeople(): DestinationStream {
  return PinoPretty({ translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname', sync: true });
}
