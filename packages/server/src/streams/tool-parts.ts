import { AskingParts } from './asking-parts.ts';
import type { ApprovalRequest, ApprovalResponse, ToolChunk } from './chunk.ts';
import { parsePartialJson } from './partial-json.ts';

/** A part of a message, as the AI SDK makes it; fields that are undefined are not in its JSON. */
export interface MessagePart {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface ToolPart {
  /** `tool-<name>`, or `dynamic-tool`, which has `toolName`. */
  type: string;
  toolName?: string;
  readonly toolCallId: string;
  state: string;
  title?: unknown;
  input?: unknown;
  inputEncoding?: unknown;
  output?: unknown;
  rawInput?: unknown;
  errorText?: unknown;
  providerExecuted?: unknown;
  preliminary?: unknown;
  toolMetadata?: unknown;
  callProviderMetadata?: unknown;
  resultProviderMetadata?: unknown;
  approval?: Readonly<Record<string, unknown>> & { readonly id: string };
}

/**
 * The tool parts of a message and the calls whose input is streaming: what the AI SDK does with `tool-`
 * chunks. A call is looked up in its step first: an id may come again in a later step, and is another call
 * then. A step has at most one static and one dynamic part of an id.
 *
 * Owned by a `MessageFold`, which owns the order of the parts and says where steps begin.
 */
export class ToolParts {
  readonly #add: (part: ToolPart) => void;
  readonly #step = new Map<string, ToolPart[]>();
  /** Of the steps before: the newest part of each id. */
  readonly #earlier = new Map<string, ToolPart>();
  readonly #streaming = new Map<string, StreamingInput>();
  readonly #asking = new AskingParts();
  #carriedSize = 0;

  /** `add` puts a new part at the end of the message. */
  constructor(add: (part: ToolPart) => void) {
    this.#add = add;
  }

  /**
   * How much of earlier chunks was put into a part once more, in UTF-16 units: an input that goes on in
   * another step has its whole text in a new part there. Without a bound for it a stream of 1 MiB folds to
   * gigabytes.
   */
  get carriedSize(): number {
    return this.#carriedSize;
  }

  /** False when the chunk is about a call that has not begun, or answers what nobody has asked. */
  apply(chunk: ToolChunk | ApprovalResponse): boolean {
    switch (chunk.type) {
      case 'tool-approval-response':
        return this.#answerApproval(chunk);
      case 'tool-input-start':
        return this.#startInput(chunk);
      case 'tool-input-delta':
        return this.#continueInput(chunk);
      case 'tool-input-available':
        return this.#update(kindOf(chunk), 'input-available', { ...factsOf(chunk), input: chunk.input });
      case 'tool-input-error':
        return this.#failInput(chunk);
      default:
        return this.#updateCall(chunk);
    }
  }

  beginStep(): void {
    for (const [id, parts] of this.#step) this.#earlier.set(id, parts.at(-1)!);
    this.#step.clear();
  }

  /** The parts of the step are gone. */
  resetStep(): void {
    for (const part of [...this.#step.values()].flat()) this.#asking.remove(part);
    this.#step.clear();
    this.#streaming.clear();
  }

  #startInput(chunk: Extract<ToolChunk, { type: 'tool-input-start' }>): boolean {
    const { toolCallId, toolName, title, toolMetadata, inputEncoding } = chunk;
    const kind = kindOf(chunk);
    this.#streaming.set(toolCallId, {
      text: '',
      kind,
      facts: { toolCallId, toolName, title, toolMetadata, inputEncoding },
    });
    return this.#update(kind, 'input-streaming', { ...factsOf(chunk), inputEncoding });
  }

  #continueInput(chunk: Extract<ToolChunk, { type: 'tool-input-delta' }>): boolean {
    const call = this.#streaming.get(chunk.toolCallId);
    if (call === undefined) return false;
    if (this.#inStep(call.kind, chunk.toolCallId) === undefined) this.#carriedSize += carriedSizeOf(call);
    call.text += chunk.inputTextDelta;
    const input = call.facts.inputEncoding === 'text' ? call.text : new PartialInput(call.text);
    return this.#update(call.kind, 'input-streaming', { ...call.facts, input, rawInput: call.text });
  }

  #failInput(chunk: Extract<ToolChunk, { type: 'tool-input-error' }>): boolean {
    const [known] = this.#step.get(chunk.toolCallId) ?? [];
    const kind = known === undefined ? kindOf(chunk) : kindOfPart(known);
    const { input, errorText } = chunk;
    return this.#update(kind, 'output-error', { ...factsOf(chunk), input, errorText });
  }

  /** What comes after the input: of whatever kind the call is. */
  #updateCall(chunk: Exclude<ToolChunk, { type: `tool-input-${string}` }>): boolean {
    const part = this.#step.get(chunk.toolCallId)?.[0] ?? this.#earlier.get(chunk.toolCallId);
    if (part === undefined) return false;
    switch (chunk.type) {
      case 'tool-output-available':
        update(part, 'output-available', {
          ...resultFacts(part, chunk),
          output: chunk.output,
          preliminary: chunk.preliminary,
        });
        break;
      case 'tool-output-error': {
        const rawInput = kindOfPart(part) === 'static' ? part.rawInput : undefined;
        update(part, 'output-error', { ...resultFacts(part, chunk), rawInput, errorText: chunk.errorText });
        break;
      }
      case 'tool-output-denied':
        part.state = 'output-denied';
        break;
      case 'tool-approval-request':
        part.state = 'approval-requested';
        part.approval = requestedApproval(chunk);
        this.#asking.add(part);
    }
    return true;
  }

  #answerApproval(chunk: ApprovalResponse): boolean {
    const part = this.#asking.find(chunk.approvalId);
    if (part === undefined) return false;
    answerApproval(part, chunk);
    return true;
  }

  #update(kind: ToolKind, state: string, facts: PartFacts): boolean {
    const known = this.#inStep(kind, facts.toolCallId);
    if (known !== undefined) update(known, state, facts);
    else this.#create(newPart(kind, state, facts));
    return true;
  }

  #create(part: ToolPart): void {
    this.#add(part);
    this.#asking.place(part);
    const ofId = this.#step.get(part.toolCallId);
    if (ofId === undefined) this.#step.set(part.toolCallId, [part]);
    else ofId.push(part);
  }

  #inStep(kind: ToolKind, toolCallId: string): ToolPart | undefined {
    return this.#step.get(toolCallId)?.find((part) => kindOfPart(part) === kind);
  }
}

/** The part as it is read: an input that was cut is parsed now, not at each delta. */
export function readToolPart(part: ToolPart): MessagePart {
  const { input } = part;
  return { ...part, input: input instanceof PartialInput ? input.value() : input };
}

export function isToolPart(part: MessagePart | ToolPart): part is ToolPart {
  return part.type === 'dynamic-tool' || part.type.startsWith('tool-');
}

/** Whether the part's type or its field says which tool it is. */
type ToolKind = 'static' | 'dynamic';

interface StreamingInput {
  text: string;
  readonly kind: ToolKind;
  readonly facts: PartFacts;
}

type PartFacts = Pick<ToolPart, 'toolCallId' | 'title' | 'toolMetadata' | 'inputEncoding' | 'input'> &
  Pick<ToolPart, 'output' | 'rawInput' | 'errorText' | 'preliminary' | 'providerExecuted'> & {
    readonly toolName: string;
    readonly providerMetadata?: unknown;
  };

/** The text of an input that has not all come, as it was at some delta. */
class PartialInput {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  value(): unknown {
    return parsePartialJson(this.#text);
  }
}

function kindOf({ dynamic }: { readonly dynamic?: unknown }): ToolKind {
  return dynamic ? 'dynamic' : 'static';
}

function kindOfPart(part: ToolPart): ToolKind {
  return part.type === 'dynamic-tool' ? 'dynamic' : 'static';
}

function factsOf(chunk: PartFacts): PartFacts {
  const { toolCallId, toolName, title, toolMetadata, providerExecuted, providerMetadata } = chunk;
  return { toolCallId, toolName, title, toolMetadata, providerExecuted, providerMetadata };
}

function resultFacts(
  part: ToolPart,
  chunk: {
    readonly providerExecuted?: unknown;
    readonly providerMetadata?: unknown;
    readonly toolMetadata?: unknown;
  },
): PartFacts {
  return {
    toolCallId: part.toolCallId,
    toolName: part.toolName ?? part.type.slice('tool-'.length),
    input: part.input,
    providerExecuted: chunk.providerExecuted,
    providerMetadata: chunk.providerMetadata,
    toolMetadata: chunk.toolMetadata ?? part.toolMetadata,
  };
}

/** Begins with what is said, null or not; a dynamic part has no `rawInput` until it is updated. */
function newPart(kind: ToolKind, state: string, facts: PartFacts): ToolPart {
  const { toolCallId } = facts;
  const part: ToolPart =
    kind === 'static' ? { type: '', toolCallId, state } : { type: 'dynamic-tool', toolCallId, state };
  update(part, state, facts);
  part.providerExecuted = facts.providerExecuted;
  if (kind === 'dynamic') part.rawInput = undefined;
  return part;
}

function update(part: ToolPart, state: string, facts: PartFacts): void {
  const { providerMetadata } = facts;
  if (part.type === 'dynamic-tool') part.toolName = facts.toolName;
  else part.type = `tool-${facts.toolName}`;
  part.state = state;
  part.input = facts.input;
  part.inputEncoding = facts.inputEncoding ?? undefined;
  part.output = facts.output;
  part.rawInput = facts.rawInput;
  part.errorText = facts.errorText;
  part.preliminary = facts.preliminary;
  if (facts.title !== undefined) part.title = facts.title;
  if (facts.toolMetadata !== undefined) part.toolMetadata = facts.toolMetadata;
  part.providerExecuted = facts.providerExecuted ?? part.providerExecuted;
  if (!isPresent(providerMetadata)) return;
  if (state === 'output-available' || state === 'output-error')
    part.resultProviderMetadata = providerMetadata;
  else part.callProviderMetadata = providerMetadata;
}

function requestedApproval(chunk: ApprovalRequest): ToolPart['approval'] & object {
  const { approvalId, approvalDescriptor, inputSchemaInput, reason, signature } = chunk;
  return {
    id: approvalId,
    inputSchemaInput,
    ...present({ descriptor: approvalDescriptor, requestReason: reason, signature }),
    ...(chunk.isAutomatic === true ? { isAutomatic: true } : {}),
  };
}

/** The person's answer, or the provider's, to what a part asks. */
function answerApproval(part: ToolPart, chunk: ApprovalResponse): void {
  const { approvalId, approved, reason } = chunk;
  part.state = 'approval-responded';
  part.approval = { ...part.approval, id: approvalId, approved, ...present({ reason }) };
  if (isPresent(chunk.providerExecuted)) part.providerExecuted = chunk.providerExecuted;
  if (isPresent(chunk.providerMetadata)) part.callProviderMetadata = chunk.providerMetadata;
}

/** How much of a call a new part takes over, in UTF-16 units. */
function carriedSizeOf({ text, facts }: StreamingInput): number {
  const { toolName, title = null, toolMetadata = null } = facts;
  return text.length + JSON.stringify([toolName, title, toolMetadata]).length;
}

function present(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => isPresent(value)));
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}
