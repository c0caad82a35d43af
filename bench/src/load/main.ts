import type { Load } from './load.ts';
import type { LoadAnswer, LoadOrder } from './load-process.ts';
import { loads } from './loads.ts';

// The process of one load: opens it, and runs it as often as it is told to. Ends with its parent.

let load: Load<unknown, unknown> | null = null;

process.on('message', async (order: LoadOrder) => {
  process.send!(await obey(order));
});
process.on('disconnect', () => process.exit());

async function obey(order: LoadOrder): Promise<LoadAnswer> {
  try {
    if ('run' in order) return { result: (await load!.run(order.run)) ?? null };
    const open = await loads[order.open]();
    load = (await open(order.order as never)) as Load<unknown, unknown>;
    return { result: null };
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    return { message, stack: stack ?? message };
  }
}
