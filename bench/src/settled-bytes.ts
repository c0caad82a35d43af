import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const lookMs = 100;
/** A process that has not grown for so many looks has done what it had to do. */
const quietLooks = 10;
/** Less than this is no growth: a page here and there. */
const toleratedBytes = 256 << 10;
/** One that grows on and on is no idle process. */
const maxWaitMs = 30_000;

/** Waits until a process grows no more. Bytes that it has in memory then; null where nobody tells them. */
export async function settledBytesOf(pid: number): Promise<number | null> {
  const deadlineMs = performance.now() + maxWaitMs;
  let highest = -Infinity;
  for (let looks = 0; looks < quietLooks; looks += 1) {
    const bytes = await residentBytesOf(pid);
    if (bytes === null) return null;
    if (bytes > highest + toleratedBytes) {
      highest = bytes;
      looks = 0;
    }
    if (performance.now() > deadlineMs) throw new Error(`process ${pid} has grown for ${maxWaitMs} ms`);
    await sleep(lookMs);
  }
  return residentBytesOf(pid);
}

/** The most that a process had in memory while some work was done; null where nobody tells. */
export async function peakBytesOf<Result>(
  pid: number | null,
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly peakBytes: number | null }> {
  let peakBytes: number | null = null;
  const look = async () => {
    const bytes = pid && (await residentBytesOf(pid));
    if (bytes !== null) peakBytes = Math.max(peakBytes ?? 0, bytes);
  };
  const timer = setInterval(look, lookMs);
  try {
    return { result: await work(), peakBytes };
  } finally {
    clearInterval(timer);
  }
}

/** Linux only. */
async function residentBytesOf(pid: number): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null);
  const line = text?.match(/^VmRSS:\s+(\d+) kB$/m);
  return line ? Number(line[1]) * 1_024 : null;
}
