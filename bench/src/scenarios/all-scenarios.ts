import type { Scenario } from '../scenario.ts';
import { append } from './append.ts';
import { fanOut } from './fan-out.ts';
import { growth } from './growth.ts';
import { idle } from './idle.ts';
import { inbox } from './inbox.ts';
import { join } from './join.ts';
import { latency } from './latency.ts';
import { rest } from './rest.ts';
import { streams } from './streams.ts';

/** In the order in which they run, and stand in the table. */
export const allScenarios: readonly Scenario[] = [
  append,
  latency,
  fanOut,
  idle,
  join,
  inbox,
  growth,
  rest,
  streams,
];
