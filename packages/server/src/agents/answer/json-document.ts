import {
  type DraftInput,
  draftSchema,
  findJsonProblem,
  isJsonObject,
  type JsonObject,
  parseShape,
} from '@fleetlm/protocol';
import { maxAnswerMessages } from './answer-limits.ts';

export type DocumentReading =
  | { readonly problem: null; readonly messages: readonly DraftInput[] }
  | { readonly problem: string; readonly messages?: never };

/** Whether a JSON value is a whole answer, rather than a chunk: `{messages}`, `{text}`, or a UIMessage. */
export function isDocument(value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  return (
    Array.isArray(value['messages']) || typeof value['text'] === 'string' || Array.isArray(value['parts'])
  );
}

/** The messages in a whole answer, each of which can be stored; or what is wrong with it. */
export function readDocument(value: unknown): DocumentReading {
  if (value === undefined) return { problem: 'is no JSON, or nests too deep' };
  if (!isJsonObject(value)) return { problem: 'the JSON is no object' };
  if (Array.isArray(value['messages'])) return readMessages(value['messages']);
  if (typeof value['text'] === 'string') return readMessages([{ content: { text: value['text'] } }]);
  if (Array.isArray(value['parts'])) return readUiMessage(value);
  return { problem: 'the JSON has neither messages, nor text, nor parts' };
}

function readMessages(values: readonly unknown[]): DocumentReading {
  if (values.length > maxAnswerMessages) return { problem: `more than ${maxAnswerMessages} messages` };
  const messages: DraftInput[] = [];
  for (const [index, value] of values.entries()) {
    const parsed = parseShape(draftSchema, value);
    if (!parsed.ok) return { problem: `message ${index + 1}: ${parsed.error.detail}` };
    if (parsed.value.kind === 'system') return { problem: `message ${index + 1}: system is not for agents` };
    messages.push(parsed.value);
  }
  return { problem: null, messages };
}

/** As the AI SDK makes it. Of its fields those that are known: what else it has is nobody's contract. */
function readUiMessage(message: JsonObject): DocumentReading {
  const { id, role = 'assistant', parts, metadata = {} } = message;
  if (role !== 'assistant') return { problem: 'a UIMessage of an agent has the role assistant' };
  const content = { ...(typeof id === 'string' && { id }), role, parts };
  const problem = findJsonProblem(content);
  if (problem !== null) return { problem: `the UIMessage ${problem}` };
  return readMessages([{ kind: 'assistant', content, metadata }]);
}
