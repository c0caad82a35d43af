const terminalTypes: ReadonlySet<string> = new Set(['finish', 'abort', 'error']);

/** Whether a chunk is the last of its stream; a push that brings no chunk is none. */
export function isTerminal(chunk: { readonly type: string } | undefined): boolean {
  return chunk !== undefined && terminalTypes.has(chunk.type);
}
