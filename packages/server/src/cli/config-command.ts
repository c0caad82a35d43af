import type { Environment } from '../config/read-variables.ts';
import { reportSettings, type SettingsReport } from '../config/settings-report.ts';
import { describeUnknown } from '../config/unknown-variables.ts';

/** What `fleetlm config` prints, and the problems that make it fail as a start would. */
export function runConfigCommand(
  env: Environment,
  isJson: boolean,
): { readonly text: string; readonly problems: readonly string[] } {
  const report = reportSettings(env);
  const text = isJson ? JSON.stringify(report, null, 2) : renderSettings(report);
  return { text: `${text}\n`, problems: report.problems };
}

function renderSettings({ settings, unknown }: SettingsReport): string {
  const rows = settings.map(({ name, value, source }) => [name, showValue(value), source] as const);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map(([name, value, source]) =>
    [name.padEnd(widths[0]!), value.padEnd(widths[1]!), source].join('  '),
  );
  return [...lines, ...unknown.map(describeUnknown)].join('\n');
}

/** A value is one word of a line, whatever it holds. */
function showValue(value: string | null): string {
  if (value === null) return '-';
  return /^[\x21-\x7e]+$/.test(value) ? value : JSON.stringify(value);
}
