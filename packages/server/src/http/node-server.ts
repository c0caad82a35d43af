import { createServer, type RequestListener, type Server } from 'node:http';
import { isWebSocketUpgrade } from '../socket/handshake.ts';

/** How long a client may take; see `defaultTimeouts` for why. */
export interface HttpTimeouts {
  readonly headersMs: number;
  readonly requestMs: number;
  readonly checkIntervalMs: number;
  readonly keepAliveMs: number;
  readonly stallMs: number;
  readonly streamSweepMs: number;
  readonly streamQuietMs: number;
}

export const defaultTimeouts: HttpTimeouts = {
  // Headers are one packet or two; longer is a slow-loris.
  headersMs: 10_000,
  // 256 KiB in 15 s is 140 kbit/s: the slowest client that still counts.
  requestMs: 15_000,
  // A timeout is then at most half again too late, and the check walks all connections.
  checkIntervalMs: 5_000,
  // Longer than the 60 s of most load balancers: they, not we, close an idle connection, so no request meets the close.
  keepAliveMs: 72_000,
  // Longer than an append may take (8 s), with nothing on the wire; a client that does not read its reply ends here.
  stallMs: 30_000,
  // A stall or a token's end is noticed this late; a look costs nothing.
  streamSweepMs: 1_000,
  // Half of `stallMs`, and of what most proxies allow.
  streamQuietMs: 15_000,
};

export interface NodeServerOptions {
  readonly timeouts: HttpTimeouts;
  /** Sockets count too. */
  readonly maxConnections: number;
}

/** The process' one HTTP server: REST answers its requests, the socket server takes its upgrades. */
export function createNodeServer(
  { timeouts, maxConnections }: NodeServerOptions,
  listener: RequestListener,
): Server {
  const server: Server = createServer(
    {
      headersTimeout: timeouts.headersMs,
      requestTimeout: timeouts.requestMs,
      connectionsCheckingInterval: timeouts.checkIntervalMs,
      keepAliveTimeout: timeouts.keepAliveMs,
      shouldUpgradeCallback: (request) => isWebSocketUpgrade(request) && server.listenerCount('upgrade') > 0,
    },
    listener,
  );
  server.timeout = timeouts.stallMs;
  server.maxConnections = maxConnections;
  return server;
}
