import type { Config } from '../../config/config.ts';
import { unreachable } from '../../lib/unreachable.ts';
import type { AgentCommand, ServerOptions } from './agent-command-line.ts';
import { ServerApi } from './server-api.ts';
import { runTest } from './test-command.ts';
import { runRedeliver, runTurns } from './turn-commands.ts';

/** Where a command prints. */
export interface Output {
  write(text: string): unknown;
}

/** Runs `fleetlm agent …`. False: what was tried did not work, as was printed. Throws with a message that says what to do. */
export async function runAgentCommand(
  command: AgentCommand,
  config: Config,
  output: Output,
): Promise<boolean> {
  switch (command.kind) {
    case 'test':
      return runTest(command, config.agents.guard.allowedRanges, output);
    case 'turns':
      await runTurns(command, apiOf(command, config), output);
      return true;
    case 'redeliver':
      await runRedeliver(command, apiOf(command, config), output);
      return true;
    default:
      return unreachable(command);
  }
}

function apiOf({ url, token }: ServerOptions, { listen, client }: Config): ServerApi {
  return new ServerApi({ url: url ?? `http://127.0.0.1:${listen.port}`, token: token ?? client.token });
}
