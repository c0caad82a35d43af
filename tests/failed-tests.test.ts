/** What `npm run test:failed` runs. */
import { expect, test } from 'vitest';
import { type FileResult, selectFailed, type TestResult } from '../scripts/failed-tests.ts';

function fileOf(name: string, ...tests: readonly TestResult[]): FileResult {
  const isFailed = tests.length === 0 || tests.some(({ status }) => status === 'failed');
  return { name, status: isFailed ? 'failed' : 'passed', assertionResults: tests };
}

function failed(title: string, ...ancestorTitles: readonly string[]): TestResult {
  return { title, ancestorTitles, status: 'failed' };
}

const passed: TestResult = { title: 'works', ancestorTitles: [], status: 'passed' };

test('nothing failed', () => {
  expect(selectFailed({ testResults: [fileOf('a', passed)] }).files).toEqual([]);
});

test('failed tests by their names, nested ones by those of their describes as Vitest joins them', () => {
  const nested = failed('is 1 + 1 (two)?', 'sums', 'of [a|b]');
  const testResults = [fileOf('a', passed, nested), fileOf('b', failed('top')), fileOf('c', passed)];
  const { files, pattern } = selectFailed({ testResults });
  expect(files).toEqual(['a', 'b']);
  for (const name of ['sums > of [a|b] > is 1 + 1 (two)?', 'top']) expect(name).toMatch(RegExp(pattern!));
  for (const name of ['works', 'top > works', 'not the top', 'top and more', 'is 1 + 1 (two)?']) {
    expect(name).not.toMatch(RegExp(pattern!));
  }
});

test('a file that did not load, or more names than a command line holds: whole files', () => {
  const broken = fileOf('broken');
  expect(selectFailed({ testResults: [fileOf('a', failed('x')), broken] })).toEqual({
    files: ['a', 'broken'],
    pattern: null,
  });
  const many = fileOf('a', ...Array.from({ length: 2_000 }, (_, n) => failed(`${n} ${'x'.repeat(50)}`)));
  expect(selectFailed({ testResults: [many] })).toEqual({ files: ['a'], pattern: null });
});
