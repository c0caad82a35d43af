import type { PendingAppend } from './pending-append.ts';

/** Bounds of one batch: rows, and bytes of content and metadata. */
export interface BatchLimits {
  readonly maxRows: number;
  readonly maxSize: number;
}

/** How many appends at the head of `queue` make the next batch: at least one, if there is one. */
export function planBatch(queue: readonly PendingAppend[], { maxRows, maxSize }: BatchLimits): number {
  const most = Math.min(queue.length, maxRows);
  let size = 0;
  for (let count = 0; count < most; count++) {
    size += queue[count]!.size;
    if (size > maxSize) return Math.max(count, 1);
  }
  return most;
}
