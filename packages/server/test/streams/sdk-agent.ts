import { streamText as streamText7 } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { streamText as streamText5 } from 'ai5';
import { MockLanguageModelV2 } from 'ai5/test';
import { streamText as streamText6 } from 'ai6';
import { MockLanguageModelV3 } from 'ai6/test';
import { z } from 'zod';
import type { Chunk } from '../../src/streams/chunk.ts';
import type { SdkVersion } from './sdk-messages.ts';

/** What the model says in one step, in the stream parts of the AI SDK. */
export type ModelStep = readonly ModelPart[];

export interface ModelPart {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface AgentOptions {
  /** The model's request is aborted when this many of its parts have come. */
  readonly abortAfter?: number;
  readonly [option: string]: unknown;
}

const city = z.object({ city: z.string() });

interface City {
  readonly city: string;
}

const tools = {
  weather: {
    inputSchema: city,
    execute: async ({ city: name }: City) => ({ city: name, celsius: 21 }),
  },
  broken: {
    inputSchema: city,
    execute: async () => {
      throw new Error('no such city');
    },
  },
  slow: {
    inputSchema: city,
    async *execute() {
      yield { progress: 0.5 };
      yield { progress: 1 };
    },
  },
  ofClient: { inputSchema: city },
  risky: { inputSchema: city, needsApproval: true, execute: async () => 'done' },
};

/** An agent as people write it: the chunks that `streamText(…).toUIMessageStream()` gives, as JSON brings them. */
export async function runAgent(
  steps: readonly ModelStep[],
  { abortAfter, ...options }: AgentOptions,
  version: SdkVersion,
): Promise<Chunk[]> {
  const abort = new AbortController();
  const { model, streamText } = sdks[version](steps, (count) => {
    if (count === abortAfter) abort.abort();
  });
  const result = streamText({
    model,
    prompt: 'Hello',
    tools,
    abortSignal: abort.signal,
    maxRetries: 0,
    stopWhen: ({ steps: done }: { steps: readonly unknown[] }) => done.length >= steps.length,
    onError: () => undefined,
  });
  const chunks: Chunk[] = [];
  const sent = result.toUIMessageStream({
    sendSources: true,
    onError: (error: unknown) => String(error),
    ...options,
  });
  for await (const chunk of sent) chunks.push(JSON.parse(JSON.stringify(chunk)));
  return chunks;
}

interface Sdk {
  readonly model: unknown;
  /** Of one version; their types differ, what is used here does not. */
  readonly streamText: (options: unknown) => {
    readonly toUIMessageStream: (options: unknown) => AsyncIterable<unknown>;
  };
}

type OnPart = (count: number) => void;

const sdks: Readonly<Record<SdkVersion, (steps: readonly ModelStep[], onPart: OnPart) => Sdk>> = {
  5: (steps, onPart) => ({
    model: new MockLanguageModelV2({ doStream: streaming(steps, onPart, finish5) as never }),
    streamText: streamText5 as never,
  }),
  6: (steps, onPart) => ({
    model: new MockLanguageModelV3({ doStream: streaming(steps, onPart, finish6) as never }),
    streamText: streamText6 as never,
  }),
  7: (steps, onPart) => ({
    model: new MockLanguageModelV4({ doStream: streaming(steps, onPart, finish6) as never }),
    streamText: streamText7 as never,
  }),
};

function streaming(steps: readonly ModelStep[], onPart: OnPart, finish: (part: ModelPart) => unknown) {
  const left = [...steps];
  let count = 0;
  return async ({ abortSignal }: { readonly abortSignal?: AbortSignal }) => {
    const parts = (left.shift() ?? []).map((part) => (part.type === 'finish' ? finish(part) : part));
    const stream = new ReadableStream({
      pull(controller) {
        if (abortSignal?.aborted) controller.error(abortSignal.reason);
        else if (parts.length === 0) controller.close();
        else {
          controller.enqueue(parts.shift());
          count += 1;
          onPart(count);
        }
      },
    });
    return { stream };
  };
}

function finish5({ reason }: ModelPart) {
  return {
    type: 'finish',
    finishReason: reason,
    usage: { inputTokens: 3, outputTokens: 10, totalTokens: 13 },
  };
}

function finish6({ reason }: ModelPart) {
  const inputTokens = { total: 3, noCache: 3, cacheRead: 0, cacheWrite: 0 };
  const outputTokens = { total: 10, text: 10, reasoning: 0 };
  return {
    type: 'finish',
    finishReason: { unified: reason, raw: undefined },
    usage: { inputTokens, outputTokens },
  };
}
