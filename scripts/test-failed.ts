import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type Report, selectFailed } from './failed-tests.ts';

/** As in `npm test`: nothing else writes it, or a run of one file would forget what failed elsewhere. */
const resultFile = '.test-results/last.json';
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${resultFile}`];

// Runs only what failed in the last `npm test`, or in the last run of this.
const { files, pattern } = selectFailed(readReport());
if (files.length === 0) {
  console.log('nothing failed last time');
} else {
  const names = pattern === null ? [] : [`--testNamePattern=${pattern}`];
  const { status } = spawnSync('vitest', ['run', ...reporters, ...files, ...names], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

function readReport(): Report {
  try {
    return JSON.parse(readFileSync(resultFile, 'utf8'));
  } catch {
    console.error('no results of an earlier run: run `npm test` first');
    process.exit(1);
  }
}
