import type { Check } from './check.ts';

/** A line for each check, and a last one that sums up. */
export function renderChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ subject }) => subject.length));
  const lines = checks.map(({ level, subject, finding, remedy }) =>
    [level.padEnd(4), subject.padEnd(width), remedy === null ? finding : `${finding} → ${remedy}`].join('  '),
  );
  return [...lines.map(oneLine), '', sumUp(checks)].join('\n');
}

function sumUp(checks: readonly Check[]): string {
  const count = (level: Check['level']) => checks.filter((check) => check.level === level).length;
  return `${count('fail')} failed, ${count('warn')} to look at, ${count('ok')} in order`;
}

/** Messages of others may hold line breaks. */
function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ');
}
