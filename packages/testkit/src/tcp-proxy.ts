import { connect, createServer, type Socket } from 'node:net';

/** A network between clients and a server, which a test can cut. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Ends every connection without a word, as a lost network does; new ones are taken. */
  cut(): void;
}

/** A proxy to `targetPort` on this machine. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const open = new Set<Socket>();
  const keep = (socket: Socket) => {
    open.add(socket);
    // Its other side is torn down with it; the reason is of no interest.
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
  };
  const cut = () => {
    for (const socket of open) socket.resetAndDestroy();
  };
  const proxy = createServer((client) => {
    const server = connect(targetPort, '127.0.0.1');
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
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      proxy.close(() => closed.resolve());
      cut();
      await closed.promise;
    },
  };
}
