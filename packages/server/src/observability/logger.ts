import { type DestinationStream, pino } from 'pino';
import type { Config } from '../config/config.ts';
import type { Log } from '../lib/log.ts';

/** The process's log: a JSON object a line. Message bodies, tokens and secrets are never given to it. */
export function createLogger({ level }: Config['log'], destination?: DestinationStream): Log {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return destination ? pino(options, destination) : pino(options);
}
