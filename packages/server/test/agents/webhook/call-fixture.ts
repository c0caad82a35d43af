import type { AnswerEnd, AnswerEvent } from '../../../src/agents/answer/answer-event.ts';
import { readAnswer } from '../../../src/agents/answer/read-answer.ts';
import type { CallFailure } from '../../../src/agents/call-failure.ts';
import { AddressGuard } from '../../../src/agents/webhook/address-guard.ts';
import type { CallOutcome } from '../../../src/agents/webhook/open-call.ts';
import type { ResolveHost } from '../../../src/agents/webhook/resolve-host.ts';
import { newSigningSecret, parseSigningSecret } from '../../../src/agents/webhook/signature.ts';
import {
  type CallLimits,
  type WebhookCall,
  WebhookClient,
} from '../../../src/agents/webhook/webhook-client.ts';
import { parseAllowedRanges } from '../../../src/config/allowed-ranges.ts';

export const signingSecret = newSigningSecret();

/** Never met by what is not about time. */
export const patient: CallLimits = { firstChunkMs: 10_000, idleMs: 10_000, maxDurationMs: 15_000 };

/** Agents on this machine; names are what `names` says. */
export function localClient(
  names: Readonly<Record<string, readonly string[]>> = {},
  ca?: string,
): WebhookClient {
  return new WebhookClient({
    guard: new AddressGuard({ allowLoopback: true, allowedRanges: parseAllowedRanges('') }),
    resolveHost: resolveIn(names),
    ...(ca !== undefined && { ca }),
  });
}

function resolveIn(names: Readonly<Record<string, readonly string[]>>): ResolveHost {
  return async (host) => {
    const addresses = names[host];
    if (addresses === undefined) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    return addresses;
  };
}

export function callOf(url: string, changes: Partial<WebhookCall> = {}): WebhookCall {
  return {
    url,
    id: '01K9WQ3M5T8X2Y4Z6A7B8C9D0E',
    body: Buffer.from('{"type":"turn.requested","data":{}}'),
    keys: [parseSigningSecret(signingSecret)!],
    headers: {},
    limits: patient,
    signal: new AbortController().signal,
    ...changes,
  };
}

/** Why the call failed, at its head or in the answer. */
export async function failureOf(outcome: CallOutcome): Promise<CallFailure | null> {
  if (outcome.kind === 'failed') return outcome.failure;
  return (await readToEnd(outcome)).end.failure;
}

export async function readToEnd(
  source: Parameters<typeof readAnswer>[0],
): Promise<{ events: AnswerEvent[]; end: AnswerEnd; dropped: number }> {
  const events: AnswerEvent[] = [];
  let dropped = 0;
  const onDropped = () => void dropped++;
  for await (const event of readAnswer(source, onDropped)) {
    if (event.kind === 'end') return { events, end: event, dropped };
    events.push(event);
  }
  throw new Error('an answer without an end');
}
