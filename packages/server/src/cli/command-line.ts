import { parseArgs } from 'node:util';
import { version } from '../lib/version.ts';
import { type DatabaseCommand, databaseCommands } from './database-commands.ts';
import type { TokenOptions } from './token-command.ts';
import { usage } from './usage.ts';

/** What a command line asks for. */
export type Command =
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'start' }
  | { readonly kind: 'db'; readonly command: DatabaseCommand; readonly yes: boolean }
  | { readonly kind: 'token'; readonly options: TokenOptions };

/** Reads a command line; null when it makes no sense. */
export function readCommandLine(args: readonly string[]): Command | null {
  const isToken = args.includes('token');
  try {
    return isToken ? readTokenCommand(args) : readCommand(args);
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

function whatToPrint({ help, version: isVersion }: { help: boolean; version: boolean }): Command | null {
  if (help) return { kind: 'print', text: usage };
  return isVersion ? { kind: 'print', text: `${version}\n` } : null;
}
