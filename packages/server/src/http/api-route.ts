import { type ErrorCode, parseShape } from '@fleetlm/protocol';
import type { z } from 'zod';
import type { Principal } from '../auth/principal.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { ok, type Result } from '../lib/result.ts';
import type { Trace } from '../observability/tracing.ts';

/** A call of the API, as far as HTTP has understood it: path, query and body are still anything. */
interface ApiCall {
  readonly principal: Principal;
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly query: unknown;
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown;
  readonly trace: Trace | null;
}

/** What a call is, for those who read of it: the OpenAPI document is made from this alone. */
export interface ApiRouteFacts {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api`. */
  readonly path: `/${string}`;
  /** For those who make clients from the document. */
  readonly name: string;
  readonly tag: 'participants' | 'sessions' | 'members' | 'messages' | 'streams' | 'inbox' | 'agents';
  readonly summary: string;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Absent when it is a stream. */
  readonly reply?: z.ZodType;
  /** Its body, or its reply, is a stream of chunks of one of these media types. */
  readonly stream?: { readonly is: 'body' | 'reply'; readonly types: readonly string[] };
  /** Of a call that succeeds; 200 unless said. */
  readonly status?: 200 | 201;
  /** Beside those of every call, and of every call with a query or a body. */
  readonly errors: readonly ErrorCode[];
}

/** One call of the API: routes know shapes and the gateway, and nothing of HTTP beyond this. */
export interface ApiRoute extends ApiRouteFacts {
  /** The reply's JSON text, or why there is none. */
  readonly handle: (gateway: Gateway, call: ApiCall) => Promise<Result<string>>;
}

/** A call whose query and body are what the route's shapes say. */
type CheckedCall<Query, Body> = Pick<ApiCall, 'principal' | 'params' | 'trace'> & {
  readonly query: Inferred<Query>;
  readonly body: Inferred<Body>;
};

type Inferred<Schema> = Schema extends z.ZodType ? z.infer<Schema> : undefined;

interface CheckedRoute<Query, Body> extends Omit<ApiRouteFacts, 'query' | 'body'> {
  readonly query?: Query;
  readonly body?: Body;
  readonly handle: (gateway: Gateway, call: CheckedCall<Query, Body>) => Promise<Result<string>>;
}

/** Makes a route whose `handle` is called with a checked query and body: what is documented is what is checked. */
export function apiRoute<
  Query extends z.ZodObject | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
>({ handle, ...facts }: CheckedRoute<Query, Body>): ApiRoute {
  return {
    ...(facts as ApiRouteFacts),
    handle: async (gateway, { principal, params, trace, ...given }) => {
      const query = check<Query>(facts.query, given.query);
      if (!query.ok) return query;
      const body = check<Body>(facts.body, given.body);
      if (!body.ok) return body;
      return handle(gateway, { principal, params, query: query.value, body: body.value, trace });
    },
  };
}

/** The reply to a call that succeeded, made from its value. */
export async function replyWith<T>(
  called: Promise<Result<T>>,
  toJson: (value: T) => object,
): Promise<Result<string>> {
  const result = await called;
  return result.ok ? ok(JSON.stringify(toJson(result.value))) : result;
}

function check<Schema>(schema: Schema | undefined, value: unknown): Result<Inferred<Schema>> {
  if (schema === undefined) return ok(undefined as Inferred<Schema>);
  return parseShape(schema as z.ZodType, value) as Result<Inferred<Schema>>;
}
