import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

interface Arrival {
  readonly request: IncomingMessage;
  readonly begunMs: number;
}

/**
 * Which connections are too slow with a body. Node's own `requestTimeout` is for all requests; here one may be let
 * off. A connection's newest request is enough: those before it have come whole, or it would not be there.
 */
export class SlowBodies {
  readonly #newest = new Map<Duplex, Arrival>();

  /** A request whose headers have come. */
  add(request: IncomingMessage, nowMs: number): void {
    const { headers, socket } = request;
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    if (hasBody) this.#newest.set(socket, { request, begunMs: nowMs });
  }

  /** The body may take as long as it does. */
  letOff({ socket }: IncomingMessage): void {
    this.#newest.delete(socket);
  }

  /** The connections whose body began before `sinceMs` and is not complete; they are forgotten. */
  take(sinceMs: number): Duplex[] {
    const slow: Duplex[] = [];
    for (const [socket, { request, begunMs }] of this.#newest) {
      const isOver = request.complete || socket.destroyed;
      if (!isOver && begunMs > sinceMs) continue;
      this.#newest.delete(socket);
      if (!isOver) slow.push(socket);
    }
    return slow;
  }
}
