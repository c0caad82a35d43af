import { describeError } from './describe-error.ts';
import type { Report, ScenarioFailure, ScenarioResult } from './report.ts';
import type { Row } from './row.ts';
import type { Scenario } from './scenario.ts';
import { StartedProcesses } from './started-processes.ts';

export interface RunOptions {
  readonly scenarios: readonly Scenario[];
  /** Ends the scenario that runs, and all that it has started; no other begins. */
  readonly interruption: AbortSignal;
  readonly progress: (text: string) => void;
  readonly run: (scenario: Scenario, context: RunContext) => Promise<readonly Row[]>;
}

/** What a scenario has of its run. */
interface RunContext {
  readonly started: StartedProcesses;
  readonly progress: (text: string) => void;
}

/** One scenario after the other. One that fails takes nothing from the others. */
export async function runScenarios(options: RunOptions): Promise<Omit<Report, 'environment'>> {
  const { scenarios, interruption, progress } = options;
  const results: ScenarioResult[] = [];
  const failures: ScenarioFailure[] = [];
  for (const [index, scenario] of scenarios.entries()) {
    const { name, summary } = scenario;
    if (interruption.aborted) break;
    progress(`${name} (${index + 1} of ${scenarios.length}): ${summary}`);
    try {
      results.push({ scenario: name, rows: await runScenario(scenario, options) });
    } catch (error) {
      if (interruption.aborted) break;
      progress(`${name} failed: ${(error as Error).stack ?? String(error)}`);
      failures.push({ scenario: name, reason: describeError(error) });
    }
  }
  return { results, failures };
}

async function runScenario(
  scenario: Scenario,
  { interruption, progress, run }: RunOptions,
): Promise<readonly Row[]> {
  await using started = new StartedProcesses();
  const end = () => started[Symbol.asyncDispose]();
  interruption.addEventListener('abort', end, { once: true });
  try {
    return await run(scenario, { started, progress: (text) => progress(`${scenario.name}: ${text}`) });
  } finally {
    interruption.removeEventListener('abort', end);
  }
}
