/** What the JSON reporter of a run left behind. */
export interface Report {
  readonly testResults: readonly FileResult[];
}

export interface FileResult {
  /** The absolute path. */
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly TestResult[];
}

export interface TestResult {
  /** The `describe`s around it, from the outside. */
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly status: string;
}

/** What to run: these files, and of them the tests that the pattern fits, or all of them. */
export interface Selection {
  readonly files: readonly string[];
  readonly pattern: string | null;
}

/** Linux takes 128 KiB for one argument. So much has failed then that the whole files may as well run. */
const maxPatternLength = 60_000;

/**
 * Selects what failed in a run. A file with no failed test of its own did not load, or a hook failed: the whole
 * file counts as failed, and so that none of it is missed, the other files that failed run as a whole too.
 */
export function selectFailed({ testResults }: Report): Selection {
  const failed = testResults.filter(({ status }) => status !== 'passed');
  const files = failed.map(({ name }) => name);
  const tests = failed.map(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed'),
  );
  if (tests.some((each) => each.length === 0)) return { files, pattern: null };
  const pattern = `^(?:${tests.flat().map(fullName).map(escapeRegExp).join('|')})$`;
  return { files, pattern: pattern.length > maxPatternLength ? null : pattern };
}

/** What Vitest 5 matches `--testNamePattern` with; the report's own `fullName` is joined by spaces. */
function fullName({ ancestorTitles, title }: TestResult): string {
  return [...ancestorTitles, title].join(' > ');
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
