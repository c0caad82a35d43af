import { bench } from './bench.ts';

const interruption = new AbortController();
// More of them change nothing: npm may hand on what the terminal has sent already.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => interruption.abort(signal));
}

const { env, stdout, stderr } = process;
process.exitCode = await bench(process.argv.slice(2), {
  env,
  stdout,
  stderr,
  interruption: interruption.signal,
});
