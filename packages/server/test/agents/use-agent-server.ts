import {
  AgentServer,
  answerText,
  startTestServer,
  type TestServer,
  type TestServerOptions,
} from '@fleetlm/testkit';
import { afterAll, afterEach, beforeAll } from 'vitest';

export interface AgentWorld {
  readonly server: TestServer;
  readonly agent: AgentServer;
}

/** A server and an agent for all tests of a file. Each test begins with an agent that says hello, and has no calls. */
export function useAgentServer(take: (world: AgentWorld) => void, options?: TestServerOptions): void {
  let world: AgentWorld;
  beforeAll(async () => {
    world = { server: await startTestServer(options), agent: await AgentServer.start() };
    take(world);
  });
  afterEach(() => {
    world.agent.calls.length = 0;
    world.agent.answer = answerText('Hello');
  });
  afterAll(async () => {
    await world.server[Symbol.asyncDispose]();
    await world.agent[Symbol.asyncDispose]();
  });
}
