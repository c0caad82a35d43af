import type { FullReason } from '../observability/labels.ts';

/** One look at the process. */
export interface LoadSample {
  /** How late the event loop ran a timer. */
  readonly lagMs: number;
  /** Memory of the whole process, as the system counts it. */
  readonly residentBytes: number;
  /** Of that, what V8's heap and buffers hold: garbage included, but not what the allocator keeps for later. */
  readonly usedBytes: number;
  readonly heapBytes: number;
}

export interface LoadLimits {
  readonly maxLagMs: number;
  readonly maxMemoryBytes: number;
  /** Where V8 gives up. */
  readonly maxHeapBytes: number;
}

/** What is known from the samples so far. */
export interface LoadState {
  readonly reason: FullReason | null;
  /** Samples in a row that spoke for the other state. */
  readonly streak: number;
}

export const unloaded: LoadState = { reason: null, streak: 0 };

/** One late timer is a garbage collection or the first use of some code; two in a row are load. */
const samplesToShed = 2;
/** Relief must last for this many samples, or the node would admit and shed in turns. */
const samplesToRecover = 4;
/** Shedding ends well below where it begins, for the same reason. */
const relief = 0.5;
/** V8 collects ever more often beyond, and then aborts the process. */
const heapShare = 0.85;
/** With less than this in use, the rest of the resident memory is free for what comes. */
const usedShare = 0.5;

/** What follows from a sample. Pure: the thresholds differ for getting in and out, and both take more than one. */
export function nextLoad(state: LoadState, sample: LoadSample, limits: LoadLimits): LoadState {
  const found = findReason(sample, limits, state.reason === null ? 1 : relief);
  if ((found === null) === (state.reason === null)) return { reason: found, streak: 0 };
  const streak = state.streak + 1;
  const isEnough = streak >= (found === null ? samplesToRecover : samplesToShed);
  return isEnough ? { reason: found, streak: 0 } : { reason: state.reason, streak };
}

function findReason(sample: LoadSample, limits: LoadLimits, share: number): FullReason | null {
  if (sample.lagMs > limits.maxLagMs * share) return 'lag';
  return isShortOfMemory(sample, limits) ? 'memory' : null;
}

function isShortOfMemory(sample: LoadSample, { maxMemoryBytes, maxHeapBytes }: LoadLimits): boolean {
  if (sample.heapBytes > maxHeapBytes * heapShare) return true;
  return sample.residentBytes > maxMemoryBytes && sample.usedBytes > maxMemoryBytes * usedShare;
}
