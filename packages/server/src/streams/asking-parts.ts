import type { ToolPart } from './tool-parts.ts';

/**
 * Which part a person's answer belongs to: the first in the message that asks under its id, as in the SDK. A part
 * asks under one id at a time, the last it was given. Finding it costs the same however long the message is.
 */
export class AskingParts {
  /** Of each id those that have asked under it, in the order of the message; some ask under another by now. */
  readonly #byId = new Map<string, ToolPart[]>();
  /** Of all parts that ever were in the message. */
  readonly #places = new Map<ToolPart, number>();
  readonly #removed = new Set<ToolPart>();

  /** A part was put at the end of the message. */
  place(part: ToolPart): void {
    this.#places.set(part, this.#places.size);
  }

  /** The part has begun to ask under the id of its approval. */
  add(part: ToolPart): void {
    const { id } = part.approval!;
    const asking = this.#byId.get(id);
    if (asking === undefined) this.#byId.set(id, [part]);
    else asking.splice(this.#indexIn(asking, part), 0, part);
  }

  /** The part is gone from the message. */
  remove(part: ToolPart): void {
    this.#removed.add(part);
  }

  find(approvalId: string): ToolPart | undefined {
    const asking = this.#byId.get(approvalId) ?? [];
    while (asking.length > 0 && !this.#asks(asking[0]!, approvalId)) asking.shift();
    return asking[0];
  }

  #asks(part: ToolPart, approvalId: string): boolean {
    return part.approval?.id === approvalId && !this.#removed.has(part);
  }

  /** By halves: the parts may be thousands that all ask under one id. */
  #indexIn(asking: readonly ToolPart[], part: ToolPart): number {
    const place = this.#places.get(part)!;
    let [from, to] = [0, asking.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#places.get(asking[middle]!)! < place) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
