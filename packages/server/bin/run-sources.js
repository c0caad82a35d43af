import { spawn } from 'node:child_process';

/** Those of `npm start` (package.json). */
const flags = ['--max-semi-space-size=8', '--conditions=fleetlm-source'];

/** Begins `script` anew in a Node that resolves packages to their sources; a running one cannot change to that. */
export function runSources(script, args) {
  const nodeArgs = [...process.execArgv, ...flags, script, ...args];
  // The same process: its id, its input and output, and who waits for it stay what they are.
  if (process.platform !== 'win32') process.execve(process.execPath, [process.execPath, ...nodeArgs]);
  const child = spawn(process.execPath, nodeArgs, { stdio: 'inherit' });
  // The console tells the child of these, too: it ends when it is ready, and this process with it.
  for (const signal of ['SIGINT', 'SIGBREAK', 'SIGHUP']) process.on(signal, () => {});
  child.on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}
