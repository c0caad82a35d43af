import { type TurnStatus, turnStatuses } from '@fleetlm/protocol';
import { readArguments } from '../read-arguments.ts';
import { UsageError, unknownName } from '../usage-error.ts';

/** What `fleetlm agent …` asks for. */
export type AgentCommand =
  | {
      readonly kind: 'test';
      readonly url: string;
      /** Signs the call; a new one when not given. */
      readonly secret: string | undefined;
      readonly bearer: string | undefined;
      readonly isJson: boolean;
    }
  | (ServerOptions & {
      readonly kind: 'turns';
      /** All agents' when not given. */
      readonly agentId: string | undefined;
      readonly status: TurnStatus | undefined;
      readonly isJson: boolean;
    })
  | (ServerOptions & { readonly kind: 'redeliver'; readonly agentId: string; readonly turnId: string });

/** Which server, and who is asking; what is not given comes from the configuration. */
export interface ServerOptions {
  readonly url: string | undefined;
  readonly token: string | undefined;
}

const jsonOption = { json: { type: 'boolean', default: false } } as const;
const serverOptions = { url: { type: 'string' }, token: { type: 'string' } } as const;

const commands = ['test', 'turns', 'redeliver'];

/** Reads what follows `fleetlm agent`; throws a `UsageError` when it makes no sense. */
export function readAgentCommand([name, ...args]: readonly string[]): AgentCommand {
  switch (name) {
    case 'test':
      return readTest(args);
    case 'turns':
      return readTurns(args);
    case 'redeliver':
      return readRedeliver(args);
    case undefined:
      throw new UsageError(`agent needs a command: ${commands.join(', ')}`);
    default:
      throw unknownName('command of agent', name, commands);
  }
}

function readTest(args: readonly string[]): AgentCommand {
  const { values, operands } = readArguments(args, {
    name: 'agent test',
    options: { ...jsonOption, secret: { type: 'string' }, bearer: { type: 'string' } },
    operands: ['URL'],
  });
  const { secret, bearer, json: isJson } = values;
  return { kind: 'test', url: operands[0]!, secret, bearer, isJson };
}

function readTurns(args: readonly string[]): AgentCommand {
  const { values } = readArguments(args, {
    name: 'agent turns',
    options: { ...serverOptions, ...jsonOption, agent: { type: 'string' }, status: { type: 'string' } },
  });
  const status = turnStatuses.find((each) => each === values.status);
  if (values.status !== undefined && status === undefined)
    throw unknownName('status', values.status, turnStatuses);
  const { url, token, agent: agentId, json: isJson } = values;
  return { kind: 'turns', url, token, agentId, status, isJson };
}

function readRedeliver(args: readonly string[]): AgentCommand {
  const { values, operands } = readArguments(args, {
    name: 'agent redeliver',
    options: serverOptions,
    operands: ['AGENT', 'TURN'],
  });
  return {
    kind: 'redeliver',
    url: values.url,
    token: values.token,
    agentId: operands[0]!,
    turnId: operands[1]!,
  };
}

/** What `fleetlm agent --help` prints. */
export const agentUsage = `What agents were asked, and what they answer.

Usage: fleetlm agent <command>

  test URL              call this URL as FleetLM would call an agent, print what it answers,
                        chunk by chunk, and a verdict; no server is needed. The call holds
                        "test": true.
  turns                 list turns, the newest first, at most 50 of each agent
  redeliver AGENT TURN  ask an agent again what a failed, dead or stopped turn has not
                        answered; its id is in the list

Options of test and turns:
  --json             for programs

Options of test:
  --secret <secret>  what the call is signed with, as whsec_…, for an agent that checks it;
                     if not given, a secret that nobody knows
  --bearer <token>   sent as authorization

Options of turns:
  --agent <id>       of this agent only, as agent:bot
  --status <status>  ${turnStatuses.join(', ')}

Options of turns and redeliver:
  --url <url>        the server; http://127.0.0.1 with PORT, or 4000, if not given
  --token <token>    a token of the service, if the server asks for one; better in FLEETLM_TOKEN,
                     since others on this machine see command lines:
                     FLEETLM_TOKEN=$(fleetlm token --sub backend --role service)

A command is run as npx fleetlm agent … in a clone of the repository, as fleetlm agent …
where the package is installed globally.

Exit code: 0; 1 when the agent does not answer as it should, or the server refuses.

Examples:
  fleetlm agent test http://localhost:3000/agent
  fleetlm agent turns --status dead
  fleetlm agent redeliver agent:bot 01K1J8Z6WR0000000000000000
`;
