import type { Chunk } from './chunk.ts';

/** How a stream ended: as the agent meant it, by a stop, by a cut connection or a node's death, by a fault. */
export type Termination = 'finish' | 'stopped' | 'interrupted' | 'error';

const agentsFault = 'The agent reported an error';

const errorTexts = { interrupted: 'The answer was interrupted', error: 'The answer failed' };

/** What an agent's chunk ends its stream with; null for one that ends nothing. */
export function terminationOf(chunk: Chunk): Termination | null {
  switch (chunk.type) {
    case 'finish':
      return 'finish';
    case 'abort':
      return 'stopped';
    case 'error':
      return 'error';
    default:
      return null;
  }
}

/** An agent's last chunk as it is shown: readers of the AI SDK give up at an `error` without a text. */
export function shownTerminal(chunk: Chunk): Chunk {
  const isWhole = chunk.type !== 'error' || typeof chunk['errorText'] === 'string';
  return isWhole ? chunk : { ...chunk, errorText: agentsFault };
}

/** The last chunk of a stream that no chunk of the agent ended. */
export function terminalChunk(termination: Termination, errorText?: string): Chunk {
  switch (termination) {
    case 'finish':
      return { type: 'finish' };
    case 'stopped':
      return { type: 'abort' };
    case 'interrupted':
    case 'error':
      return { type: 'error', errorText: errorText ?? errorTexts[termination] };
  }
}
