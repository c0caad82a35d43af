import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { LoadName, Loads } from './loads.ts';

type OrderOf<Name extends LoadName> = Parameters<Loads[Name]>[0];
type LoadOf<Name extends LoadName> = Awaited<ReturnType<Loads[Name]>>;
type RunOf<Name extends LoadName> = Parameters<LoadOf<Name>['run']>[0];
type ResultOf<Name extends LoadName> = Awaited<ReturnType<LoadOf<Name>['run']>>;

/** What goes to the process, and what comes back; `process.send` writes both as JSON. */
export type LoadOrder = { readonly open: LoadName; readonly order: unknown } | { readonly run: unknown };
export type LoadAnswer = { readonly result: unknown } | { readonly error: string };

/** Nothing here takes longer: a load that hangs must not hang the bench. */
const answerTimeoutMs = 300_000;

/**
 * A load in a process of its own, so that what it costs is not the server's, and can be told apart. Disposing of
 * it ends the process, and so its sockets.
 */
export class LoadProcess<Name extends LoadName> implements AsyncDisposable {
  readonly #child: ChildProcess;

  static async open<Name extends LoadName>(name: Name, order: OrderOf<Name>): Promise<LoadProcess<Name>> {
    const child = fork(resolve(import.meta.dirname, 'main.ts'), {
      execArgv: ['--conditions=fleetlm-source'],
    });
    const load = new LoadProcess<Name>(child);
    try {
      await load.#ask({ open: name, order });
      return load;
    } catch (error) {
      await load[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  run(order: RunOf<Name>): Promise<ResultOf<Name>> {
    return this.#ask({ run: order }) as Promise<ResultOf<Name>>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  async #ask(order: LoadOrder): Promise<unknown> {
    const ended = new AbortController();
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(answerTimeoutMs)]);
    const onExit = () => ended.abort(new Error('the load process ended; see above'));
    this.#child.once('exit', onExit);
    try {
      this.#child.send(order);
      const [answer] = (await once(this.#child, 'message', { signal })) as [LoadAnswer];
      if ('error' in answer) throw new Error(answer.error);
      return answer.result;
    } finally {
      this.#child.off('exit', onExit);
    }
  }
}
