import { main } from '../../src/main.ts';

export interface CommandEnd {
  readonly code: number;
  /** What it printed, in order. Its log goes to the test's own stdout. */
  readonly output: string;
}

/**
 * Runs a `fleetlm` command in this process: a process of its own costs a second, and is wanted only where its
 * end, its signals or its log are what a test is about (tests/start-stop.test.ts).
 */
export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandEnd> {
  let output = '';
  const stream = {
    write: (text: string) => {
      output += text;
    },
  };
  const terminal = { env, stdout: stream, stderr: stream, exitCode: 0 };
  await main(args, terminal);
  return { code: terminal.exitCode, output };
}
