import { type Problem, parseShape, problemSchema } from '@fleetlm/protocol';
import type { z } from 'zod';

export interface ServerApiOptions {
  readonly url: string;
  readonly token: string | null;
}

/** No call of these takes longer, unless nobody is there. */
const callMs = 15_000;

/** Calls of a running server by a command. What goes wrong is an error whose message says what to do. */
export class ServerApi {
  readonly #url: string;
  readonly #token: string | null;

  constructor({ url, token }: ServerApiOptions) {
    if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) {
      throw new Error(`--url must be the address of a server, as http://127.0.0.1:4000 (it is "${url}")`);
    }
    this.#url = url.replace(/\/+$/, '');
    this.#token = token;
  }

  /** The reply to a call, in its shape. */
  async call<Schema extends z.ZodType>(
    method: 'GET' | 'POST',
    path: string,
    reply: Schema,
  ): Promise<z.infer<Schema>> {
    const response = await this.#fetch(method, path);
    const body: unknown = await response.json().catch(() => null);
    if (!response.ok) throw new Error(this.#explain(response.status, body));
    const parsed = parseShape(reply, body);
    if (!parsed.ok) throw new Error(`${this.#url} does not answer as FleetLM does: ${parsed.error.detail}`);
    return parsed.value;
  }

  async #fetch(method: string, path: string): Promise<Response> {
    try {
      return await fetch(`${this.#url}${path}`, {
        method,
        headers: this.#token === null ? {} : { authorization: `Bearer ${this.#token}` },
        signal: AbortSignal.timeout(callMs),
      });
    } catch (error) {
      throw new Error(
        `${this.#url} cannot be reached (${reasonOf(error)}): is the server running? Name another one by --url`,
      );
    }
  }

  #explain(status: number, body: unknown): string {
    const problem = problemSchema.safeParse(body).data;
    if (problem === undefined) return `${this.#url} answered ${status}, and not as FleetLM does: check --url`;
    return `${problem.detail} (${problem.code})${adviceOn(problem, this.#token !== null)}`;
  }
}

function adviceOn({ code }: Problem, hasToken: boolean): string {
  if (code === 'unauthorized' && hasToken)
    return '\n  the token was refused: it has expired, or was signed with another key';
  if (code !== 'unauthorized' && code !== 'forbidden') return '';
  return '\n  give a token of the service: FLEETLM_TOKEN=$(fleetlm token --sub backend --role service)';
}

/** `fetch` says "fetch failed"; the reason is in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : error.message;
}
