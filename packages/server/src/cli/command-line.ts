import { parseArgs } from 'node:util';
import { version } from '../lib/version.ts';
import { type AgentCommand, readAgentCommand } from './agent/agent-command-line.ts';
import { type DatabaseCommand, databaseCommands } from './database-commands.ts';
import type { TokenOptions } from './token-command.ts';
import { usage } from './usage.ts';

/** What a command line asks for. */
export type Command =
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'start' }
  | { readonly kind: 'config'; readonly isJson: boolean }
  | { readonly kind: 'doctor'; readonly isJson: boolean }
  | { readonly kind: 'db'; readonly command: DatabaseCommand; readonly yes: boolean }
  | { readonly kind: 'token'; readonly options: TokenOptions }
  | { readonly kind: 'agent'; readonly command: AgentCommand };

/** Reads a command line; null when it makes no sense. */
export function readCommandLine(args: readonly string[]): Command | null {
  try {
    if (args[0] === 'agent') return readAgent(args.slice(1));
    if (args.includes('token')) return readTokenCommand(args);
    return args.includes('config') || args.includes('doctor') ? readReport(args) : readCommand(args);
  } catch {
    return null;
  }
}

const commonOptions = {
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', short: 'v', default: false },
} as const;

function readCommand(args: readonly string[]): Command | null {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { ...commonOptions, yes: { type: 'boolean', default: false } },
  });
  const asked = whatToPrint(values);
  if (asked !== null) return asked;
  if (positionals.length === 0 || (positionals.length === 1 && positionals[0] === 'start')) {
    return { kind: 'start' };
  }
  const [group, name] = positionals;
  const command = databaseCommands.find((candidate) => candidate === name);
  const isDatabase = group === 'db' && positionals.length === 2 && command !== undefined;
  return isDatabase ? { kind: 'db', command, yes: values.yes } : null;
}

function readTokenCommand(args: readonly string[]): Command | null {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...commonOptions,
      sub: { type: 'string' },
      role: { type: 'string' },
      ttl: { type: 'string', default: '1h' },
    },
  });
  const asked = whatToPrint(values);
  if (asked !== null) return asked;
  const { sub, role, ttl } = values;
  const isToken = positionals.length === 1 && positionals[0] === 'token';
  return isToken ? { kind: 'token', options: { sub, role, ttl } } : null;
}

function readAgent(args: readonly string[]): Command | null {
  const command = readAgentCommand(args);
  if (command === null) return null;
  return 'text' in command ? { kind: 'print', text: command.text } : { kind: 'agent', command };
}

/** The commands that tell about a configuration, to people or to programs. */
function readReport(args: readonly string[]): Command | null {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { ...commonOptions, json: { type: 'boolean', default: false } },
  });
  const asked = whatToPrint(values);
  if (asked !== null) return asked;
  const [kind, ...more] = positionals;
  const isReport = (kind === 'config' || kind === 'doctor') && more.length === 0;
  return isReport ? { kind, isJson: values.json } : null;
}

function whatToPrint({ help, version: isVersion }: { help: boolean; version: boolean }): Command | null {
  if (help) return { kind: 'print', text: usage };
  return isVersion ? { kind: 'print', text: `${version}\n` } : null;
}
