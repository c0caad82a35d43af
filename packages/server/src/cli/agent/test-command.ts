import { endpointDefaults, type ParticipantId } from '@fleetlm/protocol';
import type { AnswerEnd, AnswerEvent } from '../../agents/answer/answer-event.ts';
import { describeRefusal } from '../../agents/endpoints/describe-refusal.ts';
import { type TestReport, testCall } from '../../agents/test-call.ts';
import { AddressGuard } from '../../agents/webhook/address-guard.ts';
import { findHeaderProblem } from '../../agents/webhook/endpoint-headers.ts';
import { createHostResolver } from '../../agents/webhook/resolve-host.ts';
import { toExcerpt } from '../../agents/webhook/response-excerpt.ts';
import { newSigningSecret, parseSigningSecret } from '../../agents/webhook/signature.ts';
import { WebhookClient } from '../../agents/webhook/webhook-client.ts';
import type { AllowedRanges } from '../../config/allowed-ranges.ts';
import { viewTest } from '../../gateway/agent-views.ts';
import type { AgentCommand } from './agent-command-line.ts';
import type { Output } from './run-agent-command.ts';

const limits = {
  firstChunkMs: endpointDefaults.timeout_ms,
  idleMs: endpointDefaults.idle_timeout_ms,
  maxDurationMs: endpointDefaults.max_duration_ms,
};
/** A line of a terminal. */
const maxLineLength = 100;

/** `fleetlm agent test URL`: prints what comes while it comes; whether the agent answered as it should. */
export async function runTest(
  { url, secret, bearer, isJson }: AgentCommand & { kind: 'test' },
  allowedRanges: AllowedRanges,
  output: Output,
): Promise<boolean> {
  const guard = new AddressGuard({ allowLoopback: true, allowedRanges });
  const check = guard.checkUrl(url);
  if (!check.ok) throw new Error(`${url} ${describeRefusal(check.refusal)}`);
  const key = parseSigningSecret(secret ?? newSigningSecret());
  if (key === null)
    throw new Error('--secret must be whsec_ and base64 of 24 to 64 bytes, or a text as long');
  const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  const problem = findHeaderProblem(headers);
  if (problem !== null) throw new Error(`--bearer ${problem}`);
  const facts = { url, keys: [key], headers, limits };
  const startedMs = performance.now();
  if (!isJson) output.write(`POST ${check.url.href}\n`);
  const report = await testCall(new WebhookClient({ guard, resolveHost: createHostResolver() }), facts, {
    agentId: 'agent:test' as ParticipantId,
    signal: new AbortController().signal,
    ...(!isJson && { onEvent: (event) => output.write(renderEvent(event, performance.now() - startedMs)) }),
  });
  output.write(isJson ? `${JSON.stringify({ test: viewTest(report) }, null, 2)}\n` : renderVerdict(report));
  return report.ok;
}

function renderEvent(event: Exclude<AnswerEvent, AnswerEnd>, ms: number): string {
  const at = `${Math.round(ms)} ms`.padStart(9);
  if (event.kind === 'messages') {
    return event.messages.map((message) => `${at}  message  ${oneLine(message)}\n`).join('');
  }
  const { type, ...rest } = event.chunk;
  return `${at}  ${oneLine(type)}${Object.keys(rest).length > 0 ? `  ${oneLine(rest)}` : ''}\n`;
}

/** What a stranger sent, as nothing that a terminal would obey. */
function oneLine(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return toExcerpt(Buffer.from(text)).slice(0, maxLineLength);
}

function renderVerdict(report: TestReport): string {
  const { ok, httpStatus, contentType, chunks, firstChunkMs, latencyMs, errorReason, responseExcerpt } =
    report;
  const head = [httpStatus, contentType].filter((each) => each !== null).join(' ');
  const begin = firstChunkMs === null ? '' : `, the first after ${firstChunkMs} ms`;
  const facts = `${chunks} chunks${begin}, all after ${latencyMs} ms`;
  if (ok) return `ok: ${oneLine(head)}, ${facts}\n`;
  const excerpt = responseExcerpt === '' ? '' : `  it said: ${oneLine(responseExcerpt)}\n`;
  return `failed: ${oneLine(errorReason)}\n  ${head === '' ? 'no answer' : oneLine(head)}, ${facts}\n${excerpt}`;
}
