/** Something that collects output and writes it when told. */
export interface Flushable {
  flush(): void;
}

/**
 * Writes what the sockets of one server have collected: one pass for all of them, once per turn of the event
 * loop. `setImmediate` rather than a microtask: the answers and broadcasts of a committed batch come out of many
 * promises, each a few microtasks after the other, and the immediate runs after all of them and after every
 * socket that became readable in the same turn. Writing costs 7.5 µs whatever the size, waiting for the end of
 * the turn costs nothing on an idle server.
 *
 * Owned by the SocketServer; the send queues call `add` when they get their first frame.
 */
export class Flusher {
  #dirty: Flushable[] = [];
  #immediate: NodeJS.Immediate | null = null;

  add(queue: Flushable): void {
    this.#dirty.push(queue);
    this.#immediate ??= setImmediate(() => this.#flushAll());
  }

  stop(): void {
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#immediate = null;
    this.#dirty = [];
  }

  #flushAll(): void {
    const queues = this.#dirty;
    this.#dirty = [];
    this.#immediate = null;
    for (const queue of queues) queue.flush();
  }
}
