import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { ifMissing } from './missing-file.ts';

export interface ServerLog extends AsyncDisposable {
  readonly fd: number;
  /** What was in the file before. */
  readonly startsAtByte: number;
}

/** Months of an idle server's log; with the one kept before it, at most twice this on the disk after a start. */
const maxLogBytes = 10 * 1024 * 1024;

/** Enough to hold the reason for a failed start, little enough for an error message. */
const tailLines = 20;
const tailBytes = 8 * 1024;

/** Opens the log for a program to append to; one that grew too long becomes `<path>.1` first. */
export async function openServerLog(path: string): Promise<ServerLog> {
  const size = (await stat(path).catch(ifMissing(undefined)))?.size ?? 0;
  if (size > maxLogBytes) await rename(path, `${path}.1`);
  const handle = await open(path, 'a', 0o600);
  return {
    fd: handle.fd,
    startsAtByte: (await handle.stat()).size,
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** The end of the log, from `fromByte` on. */
export async function lastLines(path: string, fromByte: number): Promise<string> {
  await using handle = await open(path, 'r');
  const { size } = await handle.stat();
  const text = await readText(handle, Math.max(fromByte, size - tailBytes), size);
  return text.trimEnd().split('\n').slice(-tailLines).join('\n');
}

async function readText(handle: FileHandle, start: number, end: number): Promise<string> {
  const buffer = Buffer.alloc(Math.max(0, end - start));
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
  return buffer.toString('utf8', 0, bytesRead);
}
