import { Worker } from 'node:worker_threads';

export interface EchoOptions {
  /** It has ended. The server goes on. */
  readonly onLost: (error: Error) => void;
}

const thread = new URL('./echo-thread.ts', import.meta.url);

/**
 * Runs the echo agent of the examples on a free port, in a thread: it cannot outlive the server, whatever ends
 * that. Returns its address.
 */
export async function startEcho({ onLost }: EchoOptions): Promise<string> {
  const { promise: url, resolve } = Promise.withResolvers<string>();
  // Without the flags of the process, which would load there what has called this.
  const worker = new Worker(thread, { env: { PORT: '0' }, execArgv: [] });
  worker.on('error', onLost);
  worker.on('message', (line: string) => {
    const [, address] = /^listening on (http:\S+)$/.exec(line) ?? [];
    if (address !== undefined) resolve(address);
  });
  // Once the server has stopped, the process ends, and the agent with it. (It would not if the thread had a `stdout`.)
  worker.unref();
  return url;
}
