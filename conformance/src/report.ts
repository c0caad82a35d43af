import { isCase } from './case.ts';
import { type CaseResult, describeFailure } from './run-cases.ts';

/** The lines of one case. */
export function describeResult(result: CaseResult): string {
  const { id, title } = result.entry;
  switch (result.outcome) {
    case 'ok':
      return line('ok', id, title);
    case 'skipped':
      return line('skipped', id, `${title} (${result.reason})`);
    case 'failed': {
      const lines = describeFailure(result.error).map((each) => `          ${each}\n`);
      return line('FAIL', id, title) + lines.join('');
    }
  }
}

/** `N passed, N failed, N skipped` */
export function summarize(results: readonly CaseResult[]): string {
  const { passed, failed, skipped } = count(results);
  return `${passed} passed, ${failed} failed, ${skipped} skipped\n`;
}

/** Everything as one JSON document, for programs. */
export function toJson(url: string, results: readonly CaseResult[]): string {
  const cases = results.map((result) => {
    const { entry, ...rest } = result;
    const about = { id: entry.id, title: entry.title, ours: isCase(entry) && entry.isOurs === true };
    if (rest.outcome !== 'failed') return { ...about, ...rest };
    const { error, ...others } = rest;
    return { ...about, ...others, failure: describeFailure(error) };
  });
  return `${JSON.stringify({ url, ...count(results), cases }, null, 2)}\n`;
}

export function count(results: readonly CaseResult[]) {
  const having = (outcome: CaseResult['outcome']) =>
    results.filter((result) => result.outcome === outcome).length;
  return { passed: having('ok'), failed: having('failed'), skipped: having('skipped') };
}

function line(outcome: string, id: string, text: string): string {
  return `${outcome.padEnd(8)}${id.padEnd(28)} ${text}\n`;
}
