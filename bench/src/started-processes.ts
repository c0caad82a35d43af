/**
 * The processes that a scenario has started. It ends those itself that must end before others start; all that
 * is left ends with the scenario, or at once when the bench is interrupted: then nothing more can be started.
 */
export class StartedProcesses implements AsyncDisposable {
  readonly #all: AsyncDisposable[] = [];
  #hasEnded = false;

  /** Waits for the start. Ending a process twice must do no harm. */
  async add<Process extends AsyncDisposable>(starting: Promise<Process>): Promise<Process> {
    const started = await starting;
    this.#all.push(started);
    if (!this.#hasEnded) return started;
    await started[Symbol.asyncDispose]();
    throw new Error('the scenario has ended');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hasEnded = true;
    await Promise.all(this.#all.map((process) => process[Symbol.asyncDispose]()));
  }
}
