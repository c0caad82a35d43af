import { connect, createServer, type Socket } from 'node:net';

/** A network between clients and a server, which a test can cut. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Ends every connection without a word, as a lost network does; new ones are taken. */
  cut(): void;
  /** Cuts, and takes no connection until `restore`. */
  block(): void;
  restore(): void;
  /** From now on nothing comes through the open connections, and nobody is told; new ones work. */
  silence(): void;
}

/** A proxy to a port or a Unix socket of this machine. */
export async function startTcpProxy(target: number | string): Promise<TcpProxy> {
  const open = new Set<Socket>();
  let isBlocked = false;
  const keep = (socket: Socket) => {
    open.add(socket);
    // Its other side is torn down with it; the reason is of no interest.
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
  };
  const cut = () => {
    for (const socket of open) {
      // Unix sockets know no reset.
      if (socket.remoteAddress === undefined) socket.destroy();
      else socket.resetAndDestroy();
    }
  };
  const proxy = createServer((client) => {
    if (isBlocked) {
      client.destroy();
      return;
    }
    const server = typeof target === 'string' ? connect(target) : connect(target, '127.0.0.1');
    keep(client);
    keep(server);
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
    client.pipe(server).pipe(client);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  proxy.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = proxy.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy listens on no port');
  return {
    port: address.port,
    cut,
    block() {
      isBlocked = true;
      cut();
    },
    restore() {
      isBlocked = false;
    },
    silence() {
      for (const socket of open) socket.unpipe().pause();
    },
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      proxy.close(() => closed.resolve());
      cut();
      await closed.promise;
    },
  };
}
