import { join } from 'node:path';
import { ProcessEnded, repositoryRoot, SpawnedProcess, type SpawnOptions } from './spawned-process.ts';
import { acceptTestPostgres } from './test-database.ts';
import { callApi, type TestServer } from './test-server.ts';

/** A server in a process of its own. */
export interface SpawnedServer extends Pick<TestServer, 'url' | 'api' | 'socketUrl'>, AsyncDisposable {
  readonly process: SpawnedProcess;
}

/** What a load is aimed at: the address changes when a server is started again. */
export interface ServerUnderLoad {
  /** Of the server that runs, or of the next one, once it listens. */
  url(): Promise<string>;
}

const bin = join(repositoryRoot, 'packages/server/bin/fleetlm.js');

/**
 * As `npm start` does. V8 would let its young generation grow to twice 64 MiB, and keep it when the load is over; what
 * the bound costs is in docs/performance.md.
 */
export const nodeFlags = ['--max-semi-space-size=8', '--conditions=fleetlm-source'];

/** The `fleetlm` command, run from source. */
export function spawnFleetlm(args: readonly string[], options: SpawnOptions = {}): SpawnedProcess {
  return new SpawnedProcess(process.execPath, [...nodeFlags, bin, ...args], options);
}

/** Starts a server on a free port, and waits until it listens. */
export async function spawnServer(options: SpawnOptions = {}): Promise<SpawnedServer> {
  const child = spawnServerProcess(options);
  try {
    const url = await untilListening(child);
    return {
      url,
      process: child,
      api: (method, path, apiOptions) => callApi(url, method, path, apiOptions),
      socketUrl: (participantId) => socketUrlOf(url, participantId),
      [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
    };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

/** Where a raw socket of a participant, or of the service, connects to the server at `url`. */
export function socketUrlOf(url: string, participantId?: string): string {
  const address = new URL('/socket/websocket', url.replace('http', 'ws'));
  if (participantId !== undefined) address.searchParams.set('participant_id', participantId);
  return address.href;
}

/** Waits until a server listens, and returns its address. */
export async function untilListening(child: SpawnedProcess): Promise<string> {
  return (await child.untilPrinted(/listening on (http:\/\/[^"\s]+)/))[1]!;
}

function spawnServerProcess({ env, ...options }: SpawnOptions): SpawnedProcess {
  return spawnFleetlm(['start'], {
    ...options,
    env: { PORT: '0', ...(env?.['DATABASE_URL'] && acceptTestPostgres), ...env },
  });
}

/**
 * A server that is started again on the same data whenever it is killed, as an operator's supervisor does it.
 * An end that was no kill is a failure: `url` then rejects with what the server printed.
 */
export class RestartingServer implements ServerUnderLoad, AsyncDisposable {
  readonly #environmentOf: (start: number) => Readonly<Record<string, string>>;
  #process: SpawnedProcess;
  #listening = Promise.withResolvers<string>();
  #starts = 0;
  #kills = 0;
  #stopping = false;
  readonly #finished: Promise<void>;

  /** `environmentOf` is given how often it was started before. */
  constructor(environmentOf: (start: number) => Readonly<Record<string, string>>) {
    this.#environmentOf = environmentOf;
    this.#process = this.#spawn();
    this.#finished = this.#superviseUntilStopped();
  }

  /** How often it was killed, by a test or by itself. */
  get kills(): number {
    return this.#kills;
  }

  /** The one that runs now. */
  get process(): SpawnedProcess {
    return this.#process;
  }

  url(): Promise<string> {
    return this.#listening.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    await this.#process[Symbol.asyncDispose]();
    await this.#finished;
    this.#listening.reject(new Error('the test has stopped its server'));
  }

  #spawn(): SpawnedProcess {
    // Nobody may be waiting when it fails.
    this.#listening.promise.catch(() => {});
    const env = this.#environmentOf(this.#starts);
    this.#starts += 1;
    return spawnServerProcess({ env });
  }

  async #superviseUntilStopped(): Promise<void> {
    for (;;) {
      try {
        this.#listening.resolve(await untilListening(this.#process));
      } catch (error) {
        if (!(error instanceof ProcessEnded)) this.#listening.reject(error);
      }
      const exit = await this.#process.exited;
      if (this.#stopping) return;
      // Those who wait for the start that failed wait on, for the next one.
      const awaited = this.#listening;
      this.#listening = Promise.withResolvers();
      if (exit.signal !== 'SIGKILL') {
        const error = new ProcessEnded(exit, 'it was killed', this.#process.output);
        this.#listening.promise.catch(() => {});
        this.#listening.reject(error);
        awaited.reject(error);
        return;
      }
      this.#kills += 1;
      this.#process = this.#spawn();
      this.#listening.promise.then(awaited.resolve, awaited.reject);
    }
  }
}
