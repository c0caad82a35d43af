import type { Environment } from './environment.ts';
import { meetsTarget, type Row, ratioOf, type Target } from './row.ts';
import { median } from './statistics.ts';

/** What the rows of one scenario are. */
export interface ScenarioResult {
  readonly scenario: string;
  readonly rows: readonly Row[];
}

/** The result as Markdown: a table for each scenario, medians with the spread of the rounds in parentheses. */
export function describeResults(environment: Environment, results: readonly ScenarioResult[]): string {
  return [describeEnvironment(environment), ...results.map(describeScenario)].join('\n\n');
}

/** The same for programs, with the value of each round. */
export function toJson(environment: Environment, results: readonly ScenarioResult[]): string {
  const scenarios = results.map(({ scenario, rows }) => ({
    scenario,
    rows: rows.map((row) => ({
      ...row,
      median: median(row.values),
      ratio: ratioOf(row),
      meets_target: meetsTarget(row),
    })),
  }));
  return `${JSON.stringify({ environment, scenarios }, null, 2)}\n`;
}

function describeEnvironment(environment: Environment): string {
  return Object.entries(environment)
    .map(([name, value]) => `- ${name.replaceAll('_', ' ')}: ${formatSetting(value)}`)
    .join('\n');
}

function formatSetting(value: unknown): string {
  if (value === null || typeof value !== 'object') return String(value);
  return Object.entries(value)
    .map(([name, part]) => `${name}=${part}`)
    .join(' ');
}

function describeScenario({ scenario, rows }: ScenarioResult): string {
  const cells = rows.map(toCells);
  return [`### ${scenario}`, '', ...alignTable([headings, ...cells])].join('\n');
}

const headings = ['what', 'measured', 'compared with', 'that', 'ratio', 'target'];

function toCells(row: Row): string[] {
  const ratio = ratioOf(row);
  return [
    row.what,
    formatFigure(row.values, row.unit),
    row.against?.name ?? '',
    row.against ? formatFigure(row.against.values, row.unit) : '',
    ratio === null ? '' : `${formatNumber(ratio)} ×`,
    row.target ? `${formatTarget(row.target)}${meetsTarget(row) ? '' : ' (missed)'}` : '',
  ];
}

function formatTarget({ atLeast, atMost }: Target): string {
  return atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
}

/** "26,301 messages/s (25,900–26,800)" */
function formatFigure(values: readonly number[], unit: string): string {
  const figure = `${formatNumber(median(values))} ${unit}`;
  if (values.length === 1) return figure;
  return `${figure} (${formatNumber(Math.min(...values))}–${formatNumber(Math.max(...values))})`;
}

function formatNumber(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Rows of a Markdown table that can be read as they are. */
function alignTable(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`,
  );
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [lines[0]!, rule, ...lines.slice(1)];
}
