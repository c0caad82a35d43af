/** A node that reads of an answer's end in the log before it hears that its own append has committed. */
import { AgentServer, answerText, SessionClient, startTestServer, waitUntil } from '@fleetlm/testkit';
import { expect, test } from 'vitest';
import { joinAs, messagesOf, pushesOf, startAgentSession, timelineOf, userIdOf } from './fixtures.ts';

test('who reads an answer before its node has heard of the commit sees its end first, and no chunk after it', async () => {
  await using server = await startTestServer({
    env: { FLEETLM_FAILPOINTS: 'after_commit_before_ack=sleep(500)' },
  });
  await using agent = await AgentServer.start(answerText('Good morning'));
  const session = await startAgentSession(server, agent);
  await using follower = await joinAs(server, session);
  await follower.say('Hello');
  // Committed, and the node does not know it: the follower has seen no end yet.
  await waitUntil(async () => (await messagesOf(server, session)).length === 2);
  expect(timelineOf(follower)).not.toContain('finish');

  await using joiner = await SessionClient.open(server.socketUrl(userIdOf(session.agentId)), session.id);
  const { response } = await joiner.join();
  expect(response.messages).toHaveLength(2);
  expect(response.streams).toEqual([]);
  await waitUntil(() => pushesOf(follower, 'message').length === 2);
  expect(timelineOf(follower).slice(-2)).toEqual(['finish', 'message assistant']);
  // The node hears of it now; there is nothing more to be told.
  expect(server.server.counts.turns).toBe(1);
  await waitUntil(() => server.server.counts.turns === 0);
  await Promise.all([follower.socket.settle(), joiner.socket.settle()]);
  expect(timelineOf(follower).filter((what) => what === 'finish')).toHaveLength(1);
  expect(timelineOf(joiner)).toEqual([]);
});
