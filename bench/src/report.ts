import type { Environment } from './environment.ts';
import { formatNumber } from './format-number.ts';
import { meetsTarget, type Row, ratioOf, type Target } from './row.ts';
import { median } from './statistics.ts';

/** What a run of the bench has measured, and what it could not. */
export interface Report {
  readonly environment: Environment;
  readonly results: readonly ScenarioResult[];
  readonly failures: readonly ScenarioFailure[];
}

/** What the rows of one scenario are. */
export interface ScenarioResult {
  readonly scenario: string;
  readonly rows: readonly Row[];
}

export interface ScenarioFailure {
  readonly scenario: string;
  readonly reason: string;
}

/**
 * A report as Markdown: a table for each scenario, medians with the spread of the rounds in parentheses; then
 * all targets in one.
 */
export function describeReport({ environment, results, failures }: Report): string {
  const targets = results.flatMap(({ scenario, rows }) =>
    rows.filter(({ target }) => target !== undefined).map((row) => toTargetCells(scenario, row)),
  );
  return [
    describeEnvironment(environment),
    ...results.map(({ scenario, rows }) => describeTable(scenario, [headings, ...rows.map(toCells)])),
    ...failures.map(({ scenario, reason }) => `### ${scenario}\n\nfailed: ${reason}`),
    ...(targets.length === 0 ? [] : [describeTable('targets', [targetHeadings, ...targets])]),
  ].join('\n\n');
}

/** The same for programs, with the value of each round. */
export function toJson({ environment, results, failures }: Report): string {
  const scenarios = results.map(({ scenario, rows }) => ({ scenario, rows: rows.map(toJsonRow) }));
  return `${JSON.stringify({ environment, scenarios, failures }, null, 2)}\n`;
}

function toJsonRow(row: Row) {
  const { what, unit, values, against = null, target = null } = row;
  return {
    what,
    unit,
    values,
    median: median(values),
    against,
    ratio: ratioOf(row),
    target: target && { at_least: target.atLeast ?? null, at_most: target.atMost ?? null },
    meets_target: meetsTarget(row),
  };
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

const headings = ['what', 'measured', 'compared with', 'that', 'ratio', 'target'];

function toCells(row: Row): string[] {
  return [
    row.what,
    formatFigure(row.values, row.unit),
    row.against?.name ?? '',
    row.against ? formatFigure(row.against.values, row.unit) : '',
    formatRatio(row),
    row.target ? `${formatTarget(row.target)}${meetsTarget(row) ? '' : ' (missed)'}` : '',
  ];
}

const targetHeadings = ['scenario', 'what', 'compared with', 'ratio', 'target', ''];

/** Where there is nothing to compare with, the target is about the figure itself. */
function toTargetCells(scenario: string, row: Row): string[] {
  return [
    scenario,
    row.what,
    row.against?.name ?? '',
    formatRatio(row) || `${formatNumber(median(row.values))} ${row.unit}`,
    formatTarget(row.target!),
    meetsTarget(row) ? 'met' : 'missed',
  ];
}

function formatRatio(row: Row): string {
  const ratio = ratioOf(row);
  return ratio === null ? '' : `${formatNumber(ratio)} ×`;
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

/** A Markdown table that can be read as it is. */
function describeTable(title: string, rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`,
  );
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [`### ${title}`, '', lines[0]!, rule, ...lines.slice(1)].join('\n');
}
