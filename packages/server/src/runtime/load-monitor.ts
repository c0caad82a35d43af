import { totalmem } from 'node:os';
import { memoryUsage } from 'node:process';
import { getHeapStatistics } from 'node:v8';
import type { Log } from '../lib/log.ts';
import { type LoadReason, type LoadSample, type LoadState, nextLoad, unloaded } from './load-state.ts';

/** What the edges ask. */
export interface Load {
  /** Nothing new is admitted. */
  readonly isFull: boolean;
}

export interface LoadMonitorOptions {
  readonly maxLagMs: number;
  /** Null: three quarters of what the machine, or the container, has. */
  readonly maxMemoryBytes: number | null;
  readonly log: Log;
}

/** A sample costs some 20 µs; the loop's lag is known within this time of its beginning. */
const sampleMs = 50;

/**
 * Tells whether the process has more to do than it can: then the edges refuse what is new, and what was admitted is
 * finished. Owns one timer, which measures by how much it is late. Started and stopped by `server.ts`.
 */
export class LoadMonitor implements Load {
  readonly #options: LoadMonitorOptions;
  readonly #maxMemoryBytes: number;
  readonly #maxHeapBytes = getHeapStatistics().heap_size_limit;
  #state: LoadState = unloaded;
  #timer: NodeJS.Timeout | null = null;
  #sampledMs = 0;
  #residentBytes = 0;

  constructor(options: LoadMonitorOptions) {
    this.#options = options;
    this.#maxMemoryBytes = options.maxMemoryBytes ?? availableBytes() * 0.75;
  }

  /** Why nothing new is admitted now; null: it is. */
  get reason(): LoadReason | null {
    return this.#state.reason;
  }

  get isFull(): boolean {
    return this.#state.reason !== null;
  }

  start(): void {
    this.#sampledMs = performance.now();
    this.#timer = setInterval(() => this.#sample(), sampleMs).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#state = unloaded;
  }

  #sample(): void {
    const nowMs = performance.now();
    const lagMs = nowMs - this.#sampledMs - sampleMs;
    this.#sampledMs = nowMs;
    const before = this.#state.reason;
    this.#residentBytes = readResidentBytes() ?? this.#residentBytes;
    const sample = { lagMs, residentBytes: this.#residentBytes, ...measureHeap() };
    this.#state = nextLoad(this.#state, sample, {
      maxLagMs: this.#options.maxLagMs,
      maxMemoryBytes: this.#maxMemoryBytes,
      maxHeapBytes: this.#maxHeapBytes,
    });
    if (before !== this.#state.reason) this.#tell(sample);
  }

  #tell(sample: LoadSample): void {
    const { log } = this.#options;
    const { reason } = this.#state;
    const fields = {
      lag_ms: Math.round(sample.lagMs),
      resident_bytes: sample.residentBytes,
      used_bytes: sample.usedBytes,
      heap_bytes: sample.heapBytes,
    };
    if (reason === null) log.info(fields, 'load is back to normal');
    else log.warn({ reason, ...fields }, 'overloaded: nothing new is admitted');
  }
}

function measureHeap(): Pick<LoadSample, 'usedBytes' | 'heapBytes'> {
  const { used_heap_size: heapBytes, external_memory: externalBytes } = getHeapStatistics();
  return { usedBytes: heapBytes + externalBytes, heapBytes };
}

/** Linux tells it in a file; null when the process may open no more, which must not be its end. */
function readResidentBytes(): number | null {
  try {
    return memoryUsage.rss();
  } catch {
    return null;
  }
}

/** A container's limit where there is one: without, the system says 0 or some huge number. */
function availableBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
