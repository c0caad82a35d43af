import { type LanguageModel, simulateReadableStream } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';

type DoStream = MockLanguageModelV4['doStream'];
type Prompt = Parameters<DoStream>[0]['prompt'];
type Part = Awaited<ReturnType<DoStream>>['stream'] extends ReadableStream<infer Some> ? Some : never;

/**
 * A model that needs no key, until there is a real one: with MODEL=anthropic/claude-sonnet-4.5 and AI_GATEWAY_API_KEY it
 * comes from Vercel's gateway. A provider's own package works as well:
 *
 *     import { openai } from '@ai-sdk/openai';
 *     export const model = openai('gpt-5');
 */
export const model: LanguageModel = process.env['MODEL'] ?? pretendModel();

/** Asks for the weather when it is spoken of, and says what it has learned. */
function pretendModel(): LanguageModel {
  return new MockLanguageModelV4({
    doStream: async ({ prompt }) => ({
      stream: simulateReadableStream({ chunks: answerTo(prompt), chunkDelayInMs: 20 }),
    }),
  });
}

function answerTo(prompt: Prompt): Part[] {
  const newest = prompt.at(-1);
  if (newest?.role === 'tool') return say(`I have looked: ${JSON.stringify(newest.content[0])}`);
  const text = textOf(prompt);
  const city = /weather (?:in|of) (\p{L}+)/u.exec(text)?.[1];
  if (city === undefined) return say(`You said: ${text}`);
  const call = {
    toolCallId: `weather-${prompt.length}`,
    toolName: 'weather',
    input: JSON.stringify({ city }),
  };
  return [{ type: 'tool-call', ...call }, finish('tool-calls')];
}

/** What was said last. */
function textOf(prompt: Prompt): string {
  const content = prompt.findLast(({ role }) => role === 'user')?.content ?? [];
  if (typeof content === 'string') return content;
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

function say(text: string): Part[] {
  const words = text.split(/(?<= )/);
  return [
    { type: 'text-start', id: 'text' },
    ...words.map((delta): Part => ({ type: 'text-delta', id: 'text', delta })),
    { type: 'text-end', id: 'text' },
    finish('stop'),
  ];
}

function finish(unified: 'stop' | 'tool-calls'): Part {
  const inputTokens = { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 };
  const outputTokens = { total: 0, text: 0, reasoning: 0 };
  return { type: 'finish', finishReason: { unified, raw: undefined }, usage: { inputTokens, outputTokens } };
}
