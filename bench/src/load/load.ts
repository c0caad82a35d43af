/** Something that a load process does again and again: its sockets stay open between runs. */
export interface Load<Run, Result> {
  run(order: Run): Promise<Result>;
}

/** Opens whatever the load needs: from here on, until its process ends. */
export type OpenLoad<Order, Run, Result> = (order: Order) => Promise<Load<Run, Result>>;
