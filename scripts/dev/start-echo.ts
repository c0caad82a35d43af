import { Worker } from 'node:worker_threads';

export interface EchoOptions {
  /** It was listening, and has ended. The server goes on. */
  readonly onLost: (error: Error) => void;
}

const file = new URL('../../examples/agents/echo.js', import.meta.url);

/**
 * Runs the echo agent of the examples on a free port, in a thread: it cannot outlive the server, whatever ends
 * that. Returns its address.
 */
export async function startEcho({ onLost }: EchoOptions): Promise<string> {
  const { promise: url, resolve, reject } = Promise.withResolvers<string>();
  // Without this process's flags, which would load the parent of this module there.
  const worker = new Worker(file, { env: { PORT: '0' }, execArgv: [], stdout: true });
  const lose = (error: Error) => {
    reject(error);
    onLost(error);
  };
  worker.on('error', lose).on('exit', (code) => lose(new Error(`the echo agent has ended with ${code}`)));
  worker.stdout.setEncoding('utf8').on('data', (text: string) => {
    const [, address] = /listening on (http:\S+)/.exec(text) ?? [];
    if (address !== undefined) resolve(address);
  });
  // Once the server has stopped, the process ends, and the agent with it.
  worker.unref();
  return url;
}
