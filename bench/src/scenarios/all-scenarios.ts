import type { Scenario } from '../scenario.ts';
import { append } from './append.ts';
import { fanOut } from './fan-out.ts';
import { idle } from './idle.ts';
import { latency } from './latency.ts';

/** In the order in which they run, and stand in the table. */
export const allScenarios: readonly Scenario[] = [append, latency, fanOut, idle];
