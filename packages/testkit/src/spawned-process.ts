import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { descendantsOf, killAll, sendSignal } from './processes.ts';
import { waitUntil } from './wait-until.ts';

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface SpawnOptions {
  /** Beside PATH, HOME and TMPDIR, which are all that a child gets of our environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A process group of its own, as a terminal gives it. */
  readonly isGroup?: boolean;
}

export const repositoryRoot = resolve(import.meta.dirname, '../../..');

/** A process with what it prints. Disposing of it kills it and all that it has started, and waits for that. */
export class SpawnedProcess implements AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<ProcessExit>;
  #output = '';
  #exit: ProcessExit | null = null;

  constructor(program: string, args: readonly string[], { env = {}, cwd, isGroup }: SpawnOptions = {}) {
    const child = spawn(program, args, {
      cwd: cwd ?? repositoryRoot,
      env: { ...inheritedEnvironment(), ...env },
      detached: isGroup ?? false,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // A program that is not there has no pid; it says so again, later.
    child.on('error', () => {});
    if (child.pid === undefined) throw new Error(`${program} cannot be started`);
    this.pid = child.pid;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
    const { promise, resolve: resolveExit } = Promise.withResolvers<ProcessExit>();
    this.exited = promise;
    child.once('exit', (code, signal) => {
      this.#exit = { code, signal };
    });
    // `close` comes when the output is complete, `exit` may come before. Nobody else may hold the pipes.
    child.once('close', () => resolveExit(this.#exit!));
  }

  /** Everything that it has printed so far. */
  get output(): string {
    return this.#output;
  }

  get hasExited(): boolean {
    return this.#exit !== null;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#exit === null) sendSignal(this.pid, signal);
  }

  /** Waits until it has printed what fits `pattern`. Throws when it ends without. */
  async untilPrinted(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpMatchArray> {
    const what = `output like ${pattern}`;
    const match = await waitUntil(() => this.#output.match(pattern) ?? (this.hasExited ? 'ended' : null), {
      what,
      timeoutMs,
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; so far:\n${this.#output}`);
    });
    if (match === 'ended') throw new ProcessEnded(await this.exited, what, this.#output);
    return match;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#exit === null) {
      // What is stopped starts nothing that the list would miss.
      this.kill('SIGSTOP');
      await killAll([...(await descendantsOf(this.pid)), this.pid]);
    }
    await this.exited;
  }
}

/** A process ended before it did what was waited for. */
export class ProcessEnded extends Error {
  readonly exit: ProcessExit;

  constructor(exit: ProcessExit, awaited: string, output: string) {
    super(`the process ended (${exit.signal ?? exit.code}) before ${awaited}; it printed:\n${output}`);
    this.name = 'ProcessEnded';
    this.exit = exit;
  }
}

/** Neither our FLEETLM_ settings, nor npm's and vitest's, nor PG* variables. */
function inheritedEnvironment(): Record<string, string> {
  const names = ['PATH', 'HOME', 'TMPDIR', 'SystemRoot'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
