import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { testCertificate } from './test-certificate.ts';

/** A request as it came. */
export interface RawRequest {
  /** Request line and headers. */
  readonly head: string;
  readonly body: Buffer;
}

export interface RawHttpServerOptions {
  readonly host?: string;
  /** Serves `testCertificate`. */
  readonly tls?: boolean;
}

/** Node's types lack the name. */
type NamedSocket = TLSSocket & { readonly servername: string | false };

/**
 * A server that reads requests and answers with whatever bytes a test wants, on the socket itself: what no HTTP
 * server would send. Counts its open connections.
 */
export class RawHttpServer implements AsyncDisposable {
  /** What becomes of a connection as soon as it is there, of a TLS one before its handshake. */
  greet: (socket: Socket) => void = () => {};
  /** What becomes of it when a whole request has come. */
  answer: (socket: Socket, request: RawRequest) => void = (socket) => socket.destroy();
  readonly requests: RawRequest[] = [];
  /** What each TLS client asked for (SNI); false when it named nobody. */
  readonly serverNames: (string | false)[] = [];
  connections = 0;
  readonly #open = new Set<Socket>();
  readonly #server: Server;
  readonly #isTls: boolean;

  static async start({ host = '127.0.0.1', tls = false }: RawHttpServerOptions = {}): Promise<RawHttpServer> {
    const server = new RawHttpServer(tls);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.#server.once('error', reject);
    server.#server.listen(0, host, resolve);
    await promise;
    return server;
  }

  private constructor(isTls: boolean) {
    this.#isTls = isTls;
    this.#server = isTls ? createTlsServer(testCertificate) : createTcpServer();
    this.#server.on('connection', (socket: Socket) => this.#keep(socket));
    this.#server.on('secureConnection', (socket: NamedSocket) => this.serverNames.push(socket.servername));
    this.#server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => this.#read(socket));
    // Clients that hang up in a handshake are what is tested.
    this.#server.on('tlsClientError', () => {});
  }

  get openConnections(): number {
    return this.#open.size;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The URL of a path; the host is this server's address, or a name that stands for it. */
  url(path = '/', host?: string): string {
    const { address, family } = this.#server.address() as AddressInfo;
    const literal = family === 'IPv6' ? `[${address}]` : address;
    return `${this.#isTls ? 'https' : 'http'}://${host ?? literal}:${this.port}${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#open) socket.destroy();
    await promise;
  }

  #keep(socket: Socket): void {
    this.connections += 1;
    this.#open.add(socket);
    socket.on('close', () => this.#open.delete(socket));
    socket.on('error', () => {});
    this.greet(socket);
  }

  #read(socket: Socket): void {
    let received = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      const request = parseRequest(received);
      if (request === null) return;
      received = Buffer.alloc(0);
      this.requests.push(request);
      this.answer(socket, request);
    });
  }
}

/** The request in the bytes, or null while it is not whole. */
function parseRequest(bytes: Buffer): RawRequest | null {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) return null;
  const head = bytes.toString('latin1', 0, headEnd);
  const body = bytes.subarray(headEnd + 4);
  const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
  return body.length < length ? null : { head, body: body.subarray(0, length) };
}
