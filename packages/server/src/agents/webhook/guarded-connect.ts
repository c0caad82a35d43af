import { isIP, isIPv6, type LookupFunction, connect as openTcp, type Socket } from 'node:net';
import { connect as openTls, type TLSSocket } from 'node:tls';
import { CallFailed, callFailure, type FailureReason } from '../call-failure.ts';
import { type AddressGuard, hostOf } from './address-guard.ts';
import type { ResolveHost } from './resolve-host.ts';

export interface ConnectOptions {
  readonly guard: AddressGuard;
  readonly resolveHost: ResolveHost;
  /** Authorities that are trusted instead of those that Node knows. */
  readonly ca?: string;
  /** Aborted: the attempt ends, and so does the socket, whatever state it is in. */
  readonly signal: AbortSignal;
}

/**
 * A connection to the URL's host, over TLS with a verified certificate for https. Its name is resolved once; if
 * one of its addresses may not be called, none is. The socket connects to the addresses that were checked, so that
 * an answer that changes afterwards changes nothing. Rejects with a `CallFailed`.
 */
export async function guardedConnect(url: URL, options: ConnectOptions): Promise<Socket> {
  const { guard, resolveHost, signal } = options;
  const host = hostOf(url);
  const addresses = isIP(host) === 0 ? await resolve(host, resolveHost, signal) : [host];
  for (const address of addresses) {
    const refusal = guard.refusalOf(address, url);
    if (refusal !== null)
      throw failed('address_not_allowed', `${host} has the address ${address}: ${refusal}`);
  }
  signal.throwIfAborted();
  const socket = open(url, { host, addresses, ca: options.ca });
  signal.addEventListener('abort', () => socket.destroy(), { once: true });
  await untilReady(socket);
  return socket;
}

async function resolve(
  host: string,
  resolveHost: ResolveHost,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    const addresses = await Promise.race([resolveHost(host), aborted.promise]);
    if (addresses.length > 0) return addresses;
    throw failed('name_not_found', `${host} has no address`);
  } catch (error) {
    if (signal.aborted || error instanceof CallFailed) throw error;
    throw failed('name_not_found', `${host} cannot be resolved: ${codeOf(error)}`);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

interface Target {
  readonly host: string;
  readonly addresses: readonly string[];
  readonly ca: string | undefined;
}

function open(url: URL, { host, addresses, ca }: Target): Socket {
  const isTls = url.protocol === 'https:';
  const port = Number(url.port) || (isTls ? 443 : 80);
  // Several addresses are tried in turn, as browsers do; the name is never resolved again.
  const tcp = { host, port, lookup: lookupIn(addresses), autoSelectFamily: true };
  if (!isTls) return openTcp(tcp);
  return openTls({
    ...tcp,
    ...(ca !== undefined && { ca }),
    // By RFC 6066 an address is no server name; the certificate is checked against it all the same.
    servername: isIP(host) === 0 ? host : '',
    ALPNProtocols: ['http/1.1'],
    // NODE_TLS_REJECT_UNAUTHORIZED would be the default.
    rejectUnauthorized: true,
  });
}

function lookupIn(addresses: readonly string[]): LookupFunction {
  const answers = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  return (_host, { all }, callback) => {
    if (all) callback(null, answers);
    else callback(null, answers[0]!.address, answers[0]!.family);
  };
}

/** Before that nothing is written: who has no valid certificate sees no byte of the request. */
async function untilReady(socket: Socket): Promise<void> {
  const { promise, resolve: ready, reject } = Promise.withResolvers<void>();
  let hasConnected = false;
  socket.once('connect', () => {
    hasConnected = true;
    if (!isTls(socket)) ready();
  });
  socket.once('secureConnect', ready);
  // Stays: who uses the socket next listens too, but an error that nobody hears ends the process.
  socket.on('error', (error) => {
    reject(failed(hasConnected ? 'tls_failed' : 'connect_failed', codeOf(error)));
  });
  // Destroyed by the signal, without an error.
  socket.once('close', () => reject(failed('connect_failed', 'the connection was closed')));
  await promise;
}

function isTls(socket: Socket): socket is TLSSocket {
  return 'encrypted' in socket;
}

function failed(reason: FailureReason, detail: string): CallFailed {
  return new CallFailed(callFailure(reason, detail));
}

/** Of several attempts the first one's: `ECONNREFUSED`, `CERT_HAS_EXPIRED`. */
function codeOf(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  return String((first as NodeJS.ErrnoException)?.code ?? (first as Error)?.message ?? first);
}
