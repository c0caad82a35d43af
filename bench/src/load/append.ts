import { type ClosedLoopResult, runClosedLoop } from './closed-loop.ts';
import type { Load, TimedRun } from './load.ts';
import type { Member } from './member.ts';
import { Sender } from './sender.ts';

export interface AppendOrder {
  readonly senders: readonly Member[];
  /** Messages of each sender that are not acknowledged yet. */
  readonly inFlight: number;
}

export interface AppendResult extends ClosedLoopResult {
  readonly receivedPerSecond: number;
}

/** Members who send as fast as they are acknowledged. */
export async function openAppend({ senders, inFlight }: AppendOrder): Promise<Load<TimedRun, AppendResult>> {
  const open = await Promise.all(senders.map((member) => Sender.open(member)));
  return {
    async run({ seconds }) {
      for (const sender of open) sender.forget();
      const order = { slots: open.length, inFlight, seconds };
      const result = await runClosedLoop(order, (slot, onEnd) => open[slot]!.send(onEnd));
      const received = open.reduce((sum, sender) => sum + sender.received, 0);
      return { ...result, receivedPerSecond: received / result.seconds };
    },
  };
}
