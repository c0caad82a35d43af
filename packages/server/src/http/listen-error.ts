import type { Config } from '../config/config.ts';

/** Why a server cannot listen, in words that say what to do; any other error as it is. */
export function explainListenError(error: NodeJS.ErrnoException, { host, port }: Config['listen']): Error {
  const advice = adviseOn(error.code, host, port);
  return advice === null ? error : new Error(advice, { cause: error });
}

function adviseOn(code: string | undefined, host: string, port: number): string | null {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} of ${host} is taken: stop what listens there, or set PORT to another port`;
    case 'EACCES':
      return `this user may not listen on port ${port}: set PORT to another port`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `HOST=${host} is no address of this machine: correct it`;
    default:
      return null;
  }
}
