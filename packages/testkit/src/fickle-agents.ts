import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type AgentCall, AgentServer, beginStream, finishStream, writeDelta } from './agent-server.ts';
import { seededRandom } from './seeded-random.ts';

/** How an agent of that name answers. */
export const agentManners = ['stream', 'json', 'plain', 'silent', 'flaky'] as const;
export type AgentManner = (typeof agentManners)[number];

/** What an agent was about to say in one attempt: its messages' texts, or the one of its stream. */
export type SaidTexts = readonly string[];

/** Between the words of a stream: a model that is neither fast nor slow. */
const wordMs = 10;
const failureRate = 0.5;

/**
 * Agents of all manners behind one server: `agent:stream` streams slowly, `agent:json` answers several messages,
 * `agent:plain` a text, `agent:silent` nothing, and `agent:flaky` streams, or fails with 503. They know what they said:
 * no two attempts say the same.
 */
export class FickleAgents implements AsyncDisposable {
  /** By turn, the attempts in their order. */
  readonly said = new Map<string, SaidTexts[]>();
  /** Nobody fails any more. */
  isCalm = false;
  readonly #server: AgentServer;
  readonly #random: () => number;

  static async start(seed: number): Promise<FickleAgents> {
    const server = await AgentServer.start();
    return new FickleAgents(server, seed);
  }

  private constructor(server: AgentServer, seed: number) {
    this.#server = server;
    this.#random = seededRandom(seed);
    server.answer = (response, call) => this.#answer(response, call);
  }

  get url(): string {
    return this.#server.url;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }

  async #answer(response: ServerResponse, call: AgentCall): Promise<void> {
    const manner = (call.data.agent_id as string).slice('agent:'.length) as AgentManner;
    switch (manner) {
      case 'stream':
        return this.#stream(response, call);
      case 'json': {
        const texts = this.#say(call, [0, 1, 2].map(String));
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ messages: texts.map((text) => ({ content: { text } })) }));
        return;
      }
      case 'plain': {
        const [text] = this.#say(call, [this.#words()]);
        response.writeHead(200, { 'content-type': 'text/plain' });
        response.end(text);
        return;
      }
      case 'silent':
        this.#say(call, []);
        response.writeHead(202).end();
        return;
      case 'flaky':
        if (this.isCalm || this.#random() >= failureRate) return this.#stream(response, call);
        response.writeHead(503).end('not now');
    }
  }

  async #stream(response: ServerResponse, call: AgentCall): Promise<void> {
    const [text] = this.#say(call, [this.#words()]);
    beginStream(response);
    for (const word of text!.split(/(?<= )/)) {
      if (call.isAborted()) return;
      writeDelta(response, word);
      await delay(wordMs);
    }
    finishStream(response);
  }

  #say({ data }: AgentCall, texts: readonly string[]): SaidTexts {
    const marked = texts.map((text) => `${data.turn_id}/${data.attempt} ${text}`);
    const attempts = this.said.get(data.turn_id);
    if (attempts === undefined) this.said.set(data.turn_id, [marked]);
    else attempts.push(marked);
    return marked;
  }

  #words(): string {
    const count = 1 + Math.floor(this.#random() * 40);
    return Array.from({ length: count }, (_, index) => `word${index}`).join(' ');
  }
}
