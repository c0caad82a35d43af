import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** The requests that are not answered yet, by connection: one may pipeline several. */
export class OpenRequests {
  readonly #bySocket = new Map<Duplex, Set<ServerResponse>>();

  add(response: ServerResponse): void {
    const { socket } = response.req;
    const open = this.#bySocket.get(socket) ?? new Set();
    this.#bySocket.set(socket, open.add(response));
    // Also when the client goes away.
    response.once('close', () => {
      open.delete(response);
      if (open.size === 0) this.#bySocket.delete(socket);
    });
  }

  /**
   * Whether an error reply may be written on the connection. Not while a complete request waits for its answer:
   * its client would take ours for it, and believe that nothing was stored.
   */
  mayRefuse(socket: Duplex): boolean {
    const open = [...(this.#bySocket.get(socket) ?? [])];
    return open.every((response) => !response.headersSent && !response.req.complete);
  }

  /** Each reply to come tells its client that the connection ends with it, so that no other request is sent on it. */
  endConnections(): void {
    for (const response of [...this.#bySocket.values()].flatMap((open) => [...open])) {
      if (!response.headersSent) response.shouldKeepAlive = false;
    }
  }

  /** Waits for the requests that are open now. */
  async settled(): Promise<void> {
    const open = [...this.#bySocket.values()].flatMap((responses) => [...responses]);
    await Promise.all(open.map(closed));
  }
}

function closed(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('close', () => resolve());
  return promise;
}
