import { channel } from 'node:diagnostics_channel';
import type { Config } from '../config/config.ts';
import type { Log } from '../lib/log.ts';
import { Server } from '../server.ts';

/** What is told on the diagnostics channel `fleetlm:listening`, to who runs in the server's process (`npm run dev`). */
export interface Listening {
  readonly url: string;
  readonly auth: Config['auth']['mode'];
}

const listening = channel('fleetlm:listening');

/** What an orderly end may take beyond the time that open work is given: pools, actors, the embedded Postgres. */
const lastResortMs = 10_000;

/**
 * Runs a server until SIGTERM or SIGINT, which stop it in order; a second one hurries. An error that nobody
 * caught is logged and ends the process in the same way, with a failure: what it has left behind is not known, so
 * the end must not depend on it.
 */
export async function runServer(config: Config, log: Log): Promise<void> {
  const server = new Server(config, { log });
  const ended = Promise.withResolvers<void>();
  const end = () => {
    const graceMs = server.isStopping ? 0 : config.lifecycle.shutdownMs;
    if (server.isStopping) server.hurry();
    setTimeout(() => cut(log), graceMs + lastResortMs).unref();
    server.stop().then(ended.resolve, ended.reject);
  };
  const stop = (signal: NodeJS.Signals) => {
    log.info({ signal }, server.isStopping ? 'stopping at once' : 'stopping');
    end();
  };
  const fail = (error: unknown) => {
    log.error({ err: error }, 'uncaught error');
    process.exitCode = 1;
    end();
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  process.on('uncaughtException', fail).on('unhandledRejection', fail);
  try {
    await server.start();
    const { url, opsUrl: ops_url } = server;
    log.info({ url, ops_url, pid: process.pid, auth: config.auth.mode }, `listening on ${url}`);
    listening.publish({ url, auth: config.auth.mode } satisfies Listening);
    await ended.promise;
    log.info({}, 'stopped');
  } catch (error) {
    // A start that was given up for a signal is no failure.
    if (!server.isStopping) throw error;
    await ended.promise;
  } finally {
    process.off('SIGTERM', stop).off('SIGINT', stop);
    process.off('uncaughtException', fail).off('unhandledRejection', fail);
  }
}

/** Whatever hangs: a disk that is gone, a start that never ends, a bug. */
function cut(log: Log): never {
  log.error({}, 'the stop took too long: what is left of it is cut');
  process.exit(1);
}
