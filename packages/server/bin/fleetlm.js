#!/usr/bin/env node
// Plain JavaScript that any Node can read, so that one that is too old is told so in words.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import { runSources } from './run-sources.js';

const needed = 24;
const [major] = process.versions.node.split('.').map(Number);

if (major < needed) {
  console.error(
    `FleetLM needs Node ${needed} or newer; this is ${process.versions.node}.\n` +
      'In this repository `npm ci` brings it along (run commands as `npx fleetlm …` or `npm start`, not `node …`); ' +
      'if optional dependencies were left out, install Node from https://nodejs.org.',
  );
  process.exit(1);
}

const isSource = process.execArgv.some((argument) => argument === '--conditions=fleetlm-source');

// A clone of the repository has no `dist` before `npm run build`; a package has no `src`.
if (!isSource && !isThere('../dist/main.js') && isThere('../src/main.ts')) {
  runSources(fileURLToPath(import.meta.url), process.argv.slice(2));
} else {
  // As `node --disable-proto=delete`, however FleetLM is started: no object is changed by a key that somebody chose.
  Reflect.deleteProperty(Object.prototype, '__proto__');

  // Halves the time to start. Beside the code, and not in a temporary directory where others could leave theirs.
  module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url)));
  // Who reads the output may have read enough (`fleetlm … | head -1`). A server goes on: its log is nobody's condition.
  if (process.argv.length > 2 && process.argv[2] !== 'start') {
    process.stdout.on('error', (error) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit();
    });
  }
  const { main } = await import(isSource ? '../src/main.ts' : '../dist/main.js');
  await main(process.argv.slice(2));
}

function isThere(path) {
  return existsSync(new URL(path, import.meta.url));
}
