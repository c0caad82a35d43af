import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HttpTimeouts } from './node-server.ts';

interface Arrival {
  readonly request: IncomingMessage;
  readonly begunMs: number;
}

export interface SlowBodiesOptions {
  readonly timeouts: Pick<HttpTimeouts, 'requestMs' | 'checkIntervalMs' | 'stallMs'>;
  /** Told of a connection whose body takes too long, with the error that Node would give. */
  readonly refuse: (error: NodeJS.ErrnoException, socket: Duplex) => void;
}

/**
 * Which connections are too slow with a body. Node's own `requestTimeout` is for all requests; here one may be let
 * off. A connection's newest request is enough: those before it have come whole, or it would not be there.
 *
 * Looks until `stop` is called.
 */
export class SlowBodies {
  readonly #options: SlowBodiesOptions;
  readonly #newest = new Map<Duplex, Arrival>();
  readonly #checks: NodeJS.Timeout;

  constructor(options: SlowBodiesOptions) {
    this.#options = options;
    this.#checks = setInterval(() => this.#check(), options.timeouts.checkIntervalMs).unref();
  }

  stop(): void {
    clearInterval(this.#checks);
  }

  /** A request whose headers have come. */
  add(request: IncomingMessage): void {
    const { headers, socket } = request;
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    if (hasBody) this.#newest.set(socket, { request, begunMs: performance.now() });
  }

  /** Nothing bounds the time of the request's body until the returned function is called. */
  letLast(request: IncomingMessage): () => void {
    const { socket } = request;
    this.#newest.delete(socket);
    socket.setTimeout(0);
    return () => {
      this.add(request);
      socket.setTimeout(this.#options.timeouts.stallMs);
    };
  }

  #check(): void {
    const { timeouts, refuse } = this.#options;
    const error = Object.assign(new Error('the body took too long'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
    for (const socket of this.#take(performance.now() - timeouts.requestMs)) refuse(error, socket);
  }

  /** The connections whose body began before `sinceMs` and is not complete; they are forgotten. */
  #take(sinceMs: number): Duplex[] {
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
