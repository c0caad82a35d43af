interface Entry<A> {
  readonly actor: A;
  isRunning: boolean;
  /** Resolves with the actor once it runs; the same promise for all who ask meanwhile. */
  readonly running: Promise<A>;
}

/**
 * Which actor serves an id. An id has one actor at a time, and whoever asks while it starts waits for the same
 * start. A finished actor is never found here: it leaves before it stops.
 */
export class Registry<Id, A> {
  readonly #entries = new Map<Id, Entry<A>>();

  get size(): number {
    return this.#entries.size;
  }

  /** The actor of an id, running or still starting. */
  find(id: Id): A | undefined {
    return this.#entries.get(id)?.actor;
  }

  /** The running actor of an id, if need be after its start; undefined when there is none. */
  whenRunning(id: Id): Promise<A> | undefined {
    return this.#entries.get(id)?.running;
  }

  /**
   * Enters an actor that is starting. One whose start fails is taken out again; one that left while it started
   * is handed to nobody.
   */
  enter(id: Id, actor: A, start: () => Promise<void>): Promise<A> {
    const running = start().then(
      () => {
        if (this.#entries.get(id) !== entry) throw new Error('the actor ended while it started');
        entry.isRunning = true;
        return actor;
      },
      (error: unknown) => {
        this.leave(id, actor);
        throw error;
      },
    );
    const entry = { actor, running, isRunning: false };
    this.#entries.set(id, entry);
    return running;
  }

  /** Takes an actor out, unless another one has its place by now. */
  leave(id: Id, actor: A): boolean {
    return this.#entries.get(id)?.actor === actor && this.#entries.delete(id);
  }

  /** All actors, also those that are starting. One that leaves meanwhile is left out; nothing is copied. */
  visitAll(visit: (id: Id, actor: A) => void): void {
    this.#entries.forEach((entry, id) => {
      visit(id, entry.actor);
    });
  }

  /** As `visitAll`, without those that are starting. */
  visitRunning(visit: (id: Id, actor: A) => void): void {
    this.#entries.forEach((entry, id) => {
      if (entry.isRunning) visit(id, entry.actor);
    });
  }
}
