import { inTurns } from '../in-turns.ts';

/** Opens so many sockets, some at a time. */
export async function gather<Socket>(count: number, open: (n: number) => Promise<Socket>): Promise<Socket[]> {
  const sockets: Socket[] = [];
  await inTurns(Array(count).keys(), async (n) => {
    sockets[n] = await open(n);
  });
  return sockets;
}
