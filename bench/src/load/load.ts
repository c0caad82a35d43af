/** Something that a load process does again and again: its sockets stay open between runs. */
export interface Load<Run, Result> {
  run(order: Run): Promise<Result>;
}

/** How long a run of it takes. */
export interface TimedRun {
  readonly seconds: number;
}
