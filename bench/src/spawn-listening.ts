import { nodeFlags, SpawnedProcess, untilListening } from '@fleetlm/testkit';

/** A server in a process of its own. */
export interface ListeningProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

/** With the flags that our own server has: neither side is given less. */
export async function spawnListening(
  path: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ListeningProcess> {
  const child = new SpawnedProcess(process.execPath, [...nodeFlags, path], { env });
  try {
    const url = await untilListening(child);
    return { url, pid: child.pid, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}
