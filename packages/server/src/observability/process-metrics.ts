import { collectDefaultMetrics, Registry } from 'prom-client';

/**
 * They make an array of every socket, or read a directory of every file descriptor, in the event loop: 12 ms for
 * 15,000 connections, at each scrape. What they count is `fleetlm_connections_open`.
 */
const costly = [
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  'nodejs_active_resources',
  'nodejs_active_resources_total',
  'process_open_fds',
];

let ofProcess: Registry | null = null;

/**
 * What prom-client tells of a Node process: CPU, memory, garbage collection, the lag of the event loop. Made once:
 * its timer and its observer cannot be ended, and there is one process, however many servers run in it.
 */
export function processMetrics(): Registry {
  ofProcess ??= create();
  return ofProcess;
}

function create(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of costly) registry.removeSingleMetric(name);
  return registry;
}
