import { parseArgs } from 'node:util';
import { type DatabaseCommand, databaseCommands, runDatabaseCommand } from './cli/database-commands.ts';
import { runServer } from './cli/run-server.ts';
import { usage } from './cli/usage.ts';
import { version } from './cli/version.ts';
import { type Config, ConfigError, parseConfig } from './config/config.ts';
import { createLogger } from './observability/logger.ts';

/** Exit codes of sysexits.h: wrong usage, wrong configuration. */
const exitCodes = { usage: 64, config: 78 };

/** What a command has of its process. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Output;
  readonly stderr: Output;
  exitCode?: NodeJS.Process['exitCode'];
}

interface Output {
  write(text: string): unknown;
}

/** The `fleetlm` command. Sets the exit code; the process ends when nothing is left to do. */
export async function main(args: readonly string[], terminal: Terminal = process): Promise<void> {
  const parsed = parse(args);
  if (parsed === null) {
    printError(terminal, `what is "fleetlm ${args.join(' ')}"? See fleetlm --help`);
    terminal.exitCode = exitCodes.usage;
    return;
  }
  if (parsed.print !== undefined) {
    terminal.stdout.write(parsed.print);
    return;
  }
  await run(parsed, terminal);
}

interface Parsed {
  readonly print?: string;
  readonly command: 'start' | DatabaseCommand;
  readonly yes: boolean;
}

function parse(args: readonly string[]): Parsed | null {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'v', default: false },
        yes: { type: 'boolean', default: false },
      },
    });
    if (values.help) return { print: usage, command: 'start', yes: false };
    if (values.version) return { print: `${version}\n`, command: 'start', yes: false };
    const command = toCommand(positionals);
    return command && { command, yes: values.yes };
  } catch {
    return null;
  }
}

function toCommand(words: readonly string[]): Parsed['command'] | null {
  if (words.length === 0 || (words.length === 1 && words[0] === 'start')) return 'start';
  if (words.length !== 2 || words[0] !== 'db') return null;
  return databaseCommands.find((command) => command === words[1]) ?? null;
}

async function run({ command, yes }: Parsed, terminal: Terminal): Promise<void> {
  try {
    const config = parseConfig(terminal.env);
    if (command === 'start') await runServer(config, createLogger(config.log));
    else await runDatabase(command, config, { yes, terminal });
  } catch (error) {
    printError(terminal, describe(error));
    terminal.exitCode = error instanceof ConfigError ? exitCodes.config : 1;
  }
}

async function runDatabase(
  command: DatabaseCommand,
  config: Config,
  { yes, terminal }: { yes: boolean; terminal: Terminal },
): Promise<void> {
  if (command === 'reset' && !yes) {
    const where = config.database.url === null ? config.database.dataDir : 'the database of DATABASE_URL';
    throw new Error(
      `db reset deletes every message in ${where}: repeat it with --yes (npm run db:reset -- --yes)`,
    );
  }
  const log = createLogger({ level: 'warn' });
  await runDatabaseCommand(command, config, { log, say: (line) => terminal.stdout.write(`${line}\n`) });
}

function printError({ stderr }: Terminal, text: string): void {
  stderr.write(`fleetlm: ${text}\n`);
}

/** Messages are written for people; the stack helps only when there is no message. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause.message : '';
  // Many messages hold what they are caused by.
  const addition = error.message.includes(cause) ? '' : `\n  because: ${cause}`;
  return `${error.message || error.stack}${addition}`;
}
