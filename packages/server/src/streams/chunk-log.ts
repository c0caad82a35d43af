import { type Chunk, isDataChunk } from './chunk.ts';
import { DataRun } from './data-run.ts';
import { DeltaRun, deltaKey, isPlainDelta, keyOfDelta } from './delta-run.ts';

/**
 * The chunks of a stream, or of a stretch of one, as few as make the same message: all deltas of a part are
 * one, of a data part only the newest data is kept, and nothing that is for listeners only. It may begin in
 * the midst of a stream, as what follows other chunks.
 *
 * A delta may move ahead to the others of its part as long as nothing between them concerns the part; the
 * same for data. Where that is in doubt a new entry begins.
 */
export class ChunkLog {
  readonly #entries: (Chunk | DeltaRun | DataRun)[] = [];
  /** The entry that the next delta of a part goes into. */
  readonly #runs = new Map<string, DeltaRun>();
  /** The entry that the next data of a part goes into. */
  readonly #data = new Map<string, DataRun>();

  append(chunk: Chunk): void {
    if (isPlainDelta(chunk)) this.#appendDelta(chunk);
    else if (isDataChunk(chunk)) this.#appendData(chunk);
    else {
      this.#endRuns(chunk);
      this.#entries.push(chunk);
    }
  }

  /** Nothing that follows is put to `delta`, which was appended last. */
  separate(delta: Chunk): void {
    this.#endRuns(delta);
  }

  /** What it holds now; the log may go on. */
  chunks(): Chunk[] {
    return this.#entries.map((entry) => (isRun(entry) ? entry.toChunk() : entry));
  }

  #appendDelta(chunk: Chunk): void {
    const run = this.#runs.get(keyOfDelta(chunk));
    if (run !== undefined) {
      run.add(chunk);
      return;
    }
    const begun = new DeltaRun(chunk);
    this.#runs.set(begun.key, begun);
    this.#entries.push(begun);
  }

  #appendData(chunk: Chunk): void {
    if (chunk['transient']) return;
    if (typeof chunk['id'] !== 'string') {
      this.#entries.push(chunk);
      return;
    }
    const key = `${chunk.type.length} ${chunk.type}${chunk['id']}`;
    const run = this.#data.get(key);
    if (run !== undefined) {
      run.replace(chunk['data']);
      return;
    }
    const begun = new DataRun(chunk);
    this.#data.set(key, begun);
    this.#entries.push(begun);
  }

  #endRuns(chunk: Chunk): void {
    switch (chunk.type) {
      case 'text-start':
      case 'text-delta':
      case 'text-end':
        this.#runs.delete(deltaKey('text-delta', chunk['id']));
        break;
      case 'reasoning-start':
      case 'reasoning-delta':
      case 'reasoning-end':
        this.#runs.delete(deltaKey('reasoning-delta', chunk['id']));
        break;
      case 'start':
      case 'reset-step':
        this.#data.clear();
        this.#runs.clear();
        break;
      case 'start-step':
      case 'finish-step':
      case 'tool-approval-response':
        this.#runs.clear();
        break;
      default:
        this.#endInput(chunk['toolCallId']);
    }
  }

  /** In a chunk of an unknown type the field may be anything, also what cannot be made a text. */
  #endInput(toolCallId: unknown): void {
    if (typeof toolCallId === 'string') this.#runs.delete(deltaKey('tool-input-delta', toolCallId));
  }
}

function isRun(entry: Chunk | DeltaRun | DataRun): entry is DeltaRun | DataRun {
  return entry instanceof DeltaRun || entry instanceof DataRun;
}
