import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

/** What the JSON reporter of the last `npm test` left behind. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

// Runs only what failed in the last `npm test`; the tests of a file that did not even load all count as failed.
const failed = readReport().testResults.filter((file) => file.status !== 'passed');
if (failed.length === 0) {
  console.log('nothing failed last time');
} else {
  const names = failed.flatMap((file) =>
    file.assertionResults
      .filter((test) => test.status === 'failed')
      .map((test) => escapeRegExp(test.fullName)),
  );
  const isWhole = failed.some((file) => !file.assertionResults.some((test) => test.status === 'failed'));
  const files = failed.map((file) => relative(process.cwd(), file.name));
  const pattern = isWhole ? [] : ['--testNamePattern', names.join('|')];
  const { status } = spawnSync('vitest', ['run', ...files, ...pattern], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

function readReport(): Report {
  try {
    return JSON.parse(readFileSync('.test-results/last.json', 'utf8'));
  } catch {
    console.error('no results of an earlier run: run `npm test` first');
    process.exit(1);
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
