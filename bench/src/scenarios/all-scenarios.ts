import type { Scenario } from '../scenario.ts';
import { append } from './append.ts';
import { growth } from './growth.ts';
import { inbox } from './inbox.ts';
import { join } from './join.ts';
import { latency } from './latency.ts';
import { rest } from './rest.ts';

/** In the order in which they run, and stand in the table. */
export const allScenarios: readonly Scenario[] = [append, latency, join, inbox, growth, rest];
