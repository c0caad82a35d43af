/** Where a server listens, and which variables say so. */
export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** The variables of a `Listen`: what to change when it cannot be had. */
export interface ListenVariables {
  readonly host: string;
  readonly port: string;
}

export const mainVariables: ListenVariables = { host: 'HOST', port: 'PORT' };
export const opsVariables: ListenVariables = { host: 'FLEETLM_OPS_HOST', port: 'FLEETLM_OPS_PORT' };

/** Why a server cannot listen, in words that say what to do; any other error as it is. */
export function explainListenError(
  error: NodeJS.ErrnoException,
  listen: Listen,
  variables: ListenVariables = mainVariables,
): Error {
  const advice = adviseOn(error.code, listen, variables);
  return advice === null ? error : new Error(advice, { cause: error });
}

function adviseOn(
  code: string | undefined,
  { host, port }: Listen,
  variables: ListenVariables,
): string | null {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} of ${host} is taken: stop what listens there, or set ${variables.port} to another port`;
    case 'EACCES':
      return `this user may not listen on port ${port}: set ${variables.port} to another port`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${variables.host}=${host} is no address of this machine: correct it`;
    default:
      return null;
  }
}
