import { convertToModelMessages, isStepCount, streamText, tool, type UIMessage } from 'ai';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import { model } from './model.ts';

/** The body of a call, as far as this agent reads it. */
interface TurnRequested {
  readonly data: { readonly agent_id: string; readonly messages: readonly Message[] };
}

/** A message of the session: a person's has a text, an agent's the parts of a UIMessage. */
interface Message {
  readonly id: string;
  readonly sender_id: string;
  readonly kind: string;
  readonly content: { readonly text?: string; readonly parts?: UIMessage['parts'] };
}

const webhook = new Webhook(process.env['SIGNING_SECRET'] ?? '');

const tools = {
  weather: tool({
    description: 'The weather of a city',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => ({ city, celsius: 12 + (city.length % 10) }),
  }),
};

/** Answers a turn. As it is, it is also a route handler of Next.js, Hono or Bun: `app/api/agent/route.ts`. */
export async function POST(request: Request): Promise<Response> {
  const body = await request.text();
  try {
    webhook.verify(body, Object.fromEntries(request.headers));
  } catch {
    return new Response('not signed by FleetLM', { status: 401 });
  }
  const { data }: TurnRequested = JSON.parse(body);
  const messages = data.messages.filter(({ kind }) => kind !== 'system');
  const result = streamText({
    model,
    instructions: 'You are a helpful member of this conversation.',
    messages: await convertToModelMessages(
      messages.map((message) => toUiMessage(message, data.agent_id)),
      // What was stopped in the middle of a call has no result, and models refuse such calls.
      { ignoreIncompleteToolCalls: true },
    ),
    tools,
    stopWhen: isStepCount(5),
    // FleetLM closes the connection when somebody presses stop: then the model is not paid any longer.
    abortSignal: request.signal,
  });
  return result.toUIMessageStreamResponse();
}

/** The agent's own messages are the assistant's; all others are said to it. */
function toUiMessage({ id, sender_id: senderId, content }: Message, agentId: string): UIMessage {
  const parts = content.parts ?? [{ type: 'text', text: content.text ?? '' }];
  return { id, role: senderId === agentId ? 'assistant' : 'user', parts };
}
