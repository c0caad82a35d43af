import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { LoadName, OrderOf, ResultOf, RunOf } from './loads.ts';

/** What goes to the process, and what comes back; `process.send` writes both as JSON. */
export type LoadOrder = { readonly open: LoadName; readonly order: unknown } | { readonly run: unknown };
export type LoadAnswer = { readonly result: unknown } | { readonly message: string; readonly stack: string };

/** Nothing here takes longer: a load that hangs must not hang the bench. */
const answerTimeoutMs = 300_000;

/**
 * A load in a process of its own, so that what it costs is not the server's, and can be told apart. Disposing
 * of it ends the process, and so its sockets.
 */
export class LoadProcess<Name extends LoadName> implements AsyncDisposable {
  readonly #name: LoadName;
  readonly #child: ChildProcess;

  static async open<Name extends LoadName>(name: Name, order: OrderOf<Name>): Promise<LoadProcess<Name>> {
    const child = fork(resolve(import.meta.dirname, 'main.ts'), {
      execArgv: ['--conditions=fleetlm-source'],
    });
    const load = new LoadProcess<Name>(name, child);
    try {
      await load.#ask({ open: name, order });
      return load;
    } catch (error) {
      await load[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(name: Name, child: ChildProcess) {
    this.#name = name;
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
    const { promise, resolve: onAnswer, reject } = Promise.withResolvers<LoadAnswer>();
    const fail = (why: string) => reject(new Error(`the load "${this.#name}" ${why}`));
    const onExit = () => fail('has ended by itself');
    const timer = setTimeout(() => fail(`has not answered for ${answerTimeoutMs} ms`), answerTimeoutMs);
    this.#child.once('message', onAnswer).once('exit', onExit);
    this.#child.send(order, (error) => error && fail(`cannot be reached: ${error.message}`));
    try {
      const answer = await promise;
      if ('result' in answer) return answer.result;
      throw Object.assign(new Error(answer.message), { stack: answer.stack });
    } finally {
      clearTimeout(timer);
      this.#child.off('message', onAnswer).off('exit', onExit);
    }
  }
}
