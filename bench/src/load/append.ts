import { ClosedLoop, type ClosedLoopResult } from './closed-loop.ts';
import type { Load } from './load.ts';
import { Sender, type SenderOrder } from './sender.ts';

export interface AppendOrder {
  readonly senders: readonly SenderOrder[];
  /** Messages of each sender that are not acknowledged yet. */
  readonly inFlight: number;
}

export interface AppendResult extends ClosedLoopResult {
  readonly receivedPerSecond: number;
}

/** Members who send as fast as they are acknowledged. */
export async function openAppend(order: AppendOrder): Promise<Load<{ seconds: number }, AppendResult>> {
  const senders = await Promise.all(order.senders.map((sender) => Sender.open(sender)));
  return {
    async run({ seconds }) {
      for (const sender of senders) sender.forget();
      const loop = new ClosedLoop((slot, onEnd) => senders[slot]!.send(onEnd));
      const result = await loop.run({ slots: senders.length, inFlight: order.inFlight, seconds });
      const received = senders.reduce((sum, sender) => sum + sender.received, 0);
      return { ...result, receivedPerSecond: received / result.seconds };
    },
  };
}
