import { randomBytes } from 'node:crypto';
import { type Dispatcher, Pool } from 'undici';
import { type ClosedLoopResult, type OnEnd, runClosedLoop } from './closed-loop.ts';
import type { Load, TimedRun } from './load.ts';

export interface RequestsOrder {
  readonly url: string;
}

export interface RequestsRun extends TimedRun {
  readonly inFlight: number;
  /** Sent in turn, as often as there is time. */
  readonly requests: readonly RequestOrder[];
}

export interface RequestOrder {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Sent as JSON, each time with another `client_id`. */
  readonly body?: object;
}

/**
 * Callers of a REST interface over connections that stay open. Answers are read to their end, and thrown
 * away.
 */
export async function openRequests({ url }: RequestsOrder): Promise<Load<RequestsRun, ClosedLoopResult>> {
  const pool = new Pool(url);
  const prefix = randomBytes(6).toString('hex');
  let sent = 0;
  return {
    run({ seconds, inFlight, requests }) {
      const ready = requests.map(prepare);
      return runClosedLoop({ slots: 1, inFlight, seconds }, (_slot, onEnd) => {
        const { options, bodyStart } = ready[sent % ready.length]!;
        sent += 1;
        const body = bodyStart === null ? null : `${bodyStart}"client_id":"${prefix}-${sent}"}`;
        pool.dispatch({ ...options, body }, new Answer(onEnd));
      });
    },
  };
}

/** A request as undici takes it, and its body up to where the `client_id` begins. */
function prepare({ method, path, body }: RequestOrder) {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const bodyStart = body === undefined ? null : `${JSON.stringify(body).slice(0, -1)},`;
  return { options: { method, path, headers }, bodyStart };
}

/** Waits for the end of one answer. No promise and no stream for each: the generator must cost little. */
class Answer implements Dispatcher.DispatchHandler {
  readonly #onEnd: OnEnd;
  #status = 0;

  constructor(onEnd: OnEnd) {
    this.#onEnd = onEnd;
  }

  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(): void {}

  onResponseEnd(): void {
    this.#onEnd(this.#status < 300 ? undefined : `status ${this.#status}`);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#onEnd(error.message);
  }
}
