import { subscribe } from 'node:diagnostics_channel';
import type { Listening } from 'fleetlm';
import { introduceEcho } from './dev/introduce-echo.ts';
import { startEcho } from './dev/start-echo.ts';

// `npm run dev` loads this before the server: an agent is there to talk to, as soon as the server listens.
subscribe('fleetlm:listening', (message) => {
  const server = message as Listening;
  if (isOpenToLoopbackOnly(server)) accompany(server).catch(complain);
});

/** What the examples take without being told. */
const defaultUrl = 'http://127.0.0.1:4000';

async function accompany({ url }: Listening): Promise<void> {
  const originUrl = await startEcho({ onLost: complain });
  const { sessionId, isOurs } = await introduceEcho(url, originUrl);
  const who = isOurs
    ? `agent:echo (${originUrl})`
    : 'agent:echo, at an endpoint that is not of `npm run dev`,';
  const where = url === defaultUrl ? '' : `FLEETLM_URL=${url} `;
  say(
    `${who} answers user:alice:\n  ${where}npx node examples/agents/say.js user:alice ${sessionId} "Hello there"`,
  );
}

/** Anywhere else it would be a stranger's doing that the agent is there. */
function isOpenToLoopbackOnly({ url, auth }: Listening): boolean {
  return auth === 'none' && ['127.0.0.1', '[::1]'].includes(new URL(url).hostname);
}

function complain(error: Error): void {
  say(`no agent to talk to: ${error.message}`);
}

function say(text: string): void {
  process.stdout.write(`dev: ${text}\n`);
}
