import { version } from '../lib/version.ts';
import { type AgentCommand, agentUsage, readAgentCommand } from './agent/agent-command-line.ts';
import { type DatabaseCommand, databaseCommands } from './database-commands.ts';
import { readArguments } from './read-arguments.ts';
import type { TokenOptions } from './token-command.ts';
import { usage } from './usage.ts';
import { UsageError, unknownName } from './usage-error.ts';

/** What a command line asks for. */
export type Command =
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'start' }
  | { readonly kind: 'config'; readonly isJson: boolean }
  | { readonly kind: 'doctor'; readonly isJson: boolean }
  | { readonly kind: 'db'; readonly command: DatabaseCommand; readonly yes: boolean }
  | { readonly kind: 'token'; readonly options: TokenOptions }
  | { readonly kind: 'agent'; readonly command: AgentCommand };

const commands = ['start', 'db', 'config', 'doctor', 'token', 'agent'];

/** Reads a command line; throws a `UsageError` when it makes no sense. */
export function readCommandLine(args: readonly string[]): Command {
  const [name = 'start', ...rest] = args;
  if (holds(args, '--help', '-h')) return { kind: 'print', text: name === 'agent' ? agentUsage : usage };
  if (holds(args, '--version', '-v')) return { kind: 'print', text: `${version}\n` };
  switch (name) {
    case 'start':
      return readStart(rest);
    case 'config':
    case 'doctor':
      return { kind: name, isJson: readIsJson(name, rest) };
    case 'db':
      return readDatabaseCommand(rest);
    case 'token':
      return { kind: 'token', options: readTokenOptions(rest) };
    case 'agent':
      return { kind: 'agent', command: readAgentCommand(rest) };
    default:
      // Without a command, options are those of `start`.
      if (name.startsWith('-')) return readStart(args);
      throw unknownName('command', name, commands);
  }
}

function holds(args: readonly string[], ...names: readonly string[]): boolean {
  return names.some((name) => args.includes(name));
}

function readStart(args: readonly string[]): Command {
  readArguments(args, { name: 'start', options: {} });
  return { kind: 'start' };
}

/** Of the commands that tell about a configuration, to people or to programs. */
function readIsJson(name: string, args: readonly string[]): boolean {
  return readArguments(args, { name, options: { json: { type: 'boolean', default: false } } }).values.json;
}

function readDatabaseCommand([name, ...args]: readonly string[]): Command {
  if (name === undefined) throw new UsageError(`db needs a command: ${databaseCommands.join(', ')}`);
  const command = databaseCommands.find((each) => each === name);
  if (command === undefined) throw unknownName('command of db', name, databaseCommands);
  const options = { yes: { type: 'boolean', default: false } } as const;
  return { kind: 'db', command, yes: readArguments(args, { name: `db ${name}`, options }).values.yes };
}

function readTokenOptions(args: readonly string[]): TokenOptions {
  const { sub, role, ttl } = readArguments(args, {
    name: 'token',
    options: { sub: { type: 'string' }, role: { type: 'string' }, ttl: { type: 'string', default: '1h' } },
  }).values;
  return { sub, role, ttl };
}
