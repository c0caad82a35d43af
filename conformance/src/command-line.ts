import { parseArgs } from 'node:util';

/** What a command line asks for. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly problem: string }
  | ({ readonly kind: 'run' } & RunCommand);

export interface RunCommand {
  /** Null: a server of one's own. */
  readonly url: string | null;
  /** Null: the server checks no tokens. */
  readonly secret: string | null;
  readonly isNoAuth: boolean;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly origin: string | null;
  readonly filter: string;
  readonly isSlow: boolean;
  readonly isJson: boolean;
}

export const usage = `Is a server what FleetLM's clients expect? Frames, official clients, REST, errors.

Usage: npm run conformance -- [options]

  --url <url>          the server, as http://127.0.0.1:4000; without it one is started
  --jwt-secret <text>  the server's FLEETLM_JWT_SECRET, to sign tokens with; also read
                       from the environment, where a list of processes does not show it
  --jwt-issuer <text>, --jwt-audience <text>   when the server asks for them
  --no-auth            the server has FLEETLM_AUTH=none (the default without a secret)
  --origin <origin>    a web origin that may connect, when the server has a list
  --filter <text>      only cases whose id or title holds this
  --slow               also those that take a minute, or send many megabytes
  --json               one JSON document instead of lines
  -h, --help           this text

Examples:
  npm run conformance
  npm run conformance -- --url http://127.0.0.1:4000
  FLEETLM_JWT_SECRET=… npm run conformance -- --url https://chat.example --filter frames/
  npm run --silent conformance -- --url http://127.0.0.1:4000 --json > report.json

It may run beside other users, and again: it makes people and sessions of its own,
user:conformance-…, and touches no others. With tokens it acts as the service, too.

Ends with 0 when nothing failed, 1 when something did, 64 on wrong usage, 69 when the
server cannot be reached or lets nobody in.
`;

/** FleetLM takes no shorter one; somebody else's server may. */
const minSecretBytes = 32;

/** Reads a command line; `env` may hold the secret. */
export function readCommandLine(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Command {
  try {
    const { values } = parseArgs({ args: [...args], options, allowPositionals: false });
    if (values.help) return { kind: 'help' };
    return toRun(values, env['FLEETLM_JWT_SECRET'] || null);
  } catch (error) {
    return { kind: 'wrong', problem: (error as Error).message };
  }
}

const options = {
  url: { type: 'string' },
  'jwt-secret': { type: 'string' },
  'jwt-issuer': { type: 'string' },
  'jwt-audience': { type: 'string' },
  'no-auth': { type: 'boolean', default: false },
  origin: { type: 'string' },
  filter: { type: 'string', default: '' },
  slow: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];

function toRun(values: Values, secretOfEnvironment: string | null): Command {
  const { url = null, 'jwt-secret': given, 'no-auth': isNoAuth } = values;
  if (url !== null && !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    return { kind: 'wrong', problem: '--url must be http://host:port, or https://' };
  }
  if (isNoAuth && given !== undefined) {
    return { kind: 'wrong', problem: '--no-auth and --jwt-secret exclude each other' };
  }
  const secret = isNoAuth ? null : (given ?? secretOfEnvironment);
  if (url === null && secret !== null && Buffer.byteLength(secret) < minSecretBytes) {
    return {
      kind: 'wrong',
      problem: `a server of its own needs a secret of ${minSecretBytes} bytes or more`,
    };
  }
  return {
    kind: 'run',
    url,
    secret,
    isNoAuth,
    issuer: values['jwt-issuer'],
    audience: values['jwt-audience'],
    origin: values.origin ?? null,
    filter: values.filter,
    isSlow: values.slow,
    isJson: values.json,
  };
}
