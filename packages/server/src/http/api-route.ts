import { parseShape } from '@fleetlm/protocol';
import type { z } from 'zod';
import type { Principal } from '../auth/principal.ts';
import { ok, type Result } from '../lib/result.ts';
import type { Trace } from '../observability/tracing.ts';

/** A call of the API, as far as HTTP has understood it: path, query and body are still anything. */
export interface ApiCall {
  readonly principal: Principal;
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly query: unknown;
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown;
  readonly trace: Trace | null;
}

export interface ApiReply {
  readonly status: 200 | 201;
  readonly json: string;
}

/** One call of the API: routes know shapes and the gateway, and nothing of HTTP beyond this. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api`. */
  readonly path: `/${string}`;
  readonly handle: (call: ApiCall) => Promise<Result<ApiReply>>;
}

/** Runs `use` with what `value` holds by `schema`, or answers with what is wrong with it. */
export async function withShape<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  use: (parsed: z.infer<Schema>) => Promise<Result<ApiReply>>,
): Promise<Result<ApiReply>> {
  const parsed = parseShape(schema, value);
  return parsed.ok ? use(parsed.value) : parsed;
}

/** The reply to a call that succeeded, made from its value. */
export async function replyWith<T>(
  called: Promise<Result<T>>,
  toJson: (value: T) => object,
  status: ApiReply['status'] = 200,
): Promise<Result<ApiReply>> {
  const result = await called;
  return result.ok ? ok({ status, json: JSON.stringify(toJson(result.value)) }) : result;
}
