import { parentPort } from 'node:worker_threads';

// The echo agent as it is. What it prints goes to whoever has started the thread, who must know where it listens.
console.log = (line: string) => parentPort!.postMessage(line);
await import(new URL('../../examples/agents/echo.js', import.meta.url).href);
