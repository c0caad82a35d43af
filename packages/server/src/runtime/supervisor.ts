import type { Log } from '../lib/log.ts';
import type { Actor } from './actor.ts';
import { Registry } from './registry.ts';

export interface SupervisorOptions<Id, A extends Actor> {
  /** What its actors are, in logs, and the key that logs give their ids. */
  readonly name: string;
  readonly idKey: `${string}_id`;
  /** Makes the actor of an id. It calls `crash` if it fails later. */
  readonly create: (id: Id, crash: (error: unknown) => void) => A;
  /** An actor that was idle for this long is passivated. */
  readonly idleMs: number;
  readonly log: Log;
}

/**
 * Owns the actors of one kind: starts them on first use, once however many ask; passivates the idle ones; keeps
 * a crash to the actor that had it. One timer for all of them.
 */
export class Supervisor<Id, A extends Actor> {
  readonly #options: SupervisorOptions<Id, A>;
  readonly #registry = new Registry<Id, A>();
  readonly #idleSince = new Map<A, number>();
  readonly #sweeper: NodeJS.Timeout;
  #stopped = false;

  constructor(options: SupervisorOptions<Id, A>) {
    this.#options = options;
    // Four looks per idle time: memory is held a quarter longer than promised at worst.
    this.#sweeper = setInterval(() => this.#passivate(), Math.max(options.idleMs / 4, 10));
    this.#sweeper.unref();
  }

  /** How many actors there are. */
  get count(): number {
    return this.#registry.size;
  }

  /** The actor of an id if there is one, be it still starting. */
  find(id: Id): A | undefined {
    return this.#registry.find(id);
  }

  /** All actors, also those that are starting. */
  visitAll(visit: (id: Id, actor: A) => void): void {
    this.#registry.visitAll(visit);
  }

  /**
   * The running actor of an id, started if need be. Whoever needs it to stay gives it a reason not to be idle
   * before the next turn of the event loop. Rejects when its start fails; the next call tries afresh.
   */
  use(id: Id): Promise<A> {
    const running = this.#registry.whenRunning(id);
    if (running) return running;
    if (this.#stopped) return Promise.reject(new Error(`no ${this.#options.name} starts after the stop`));
    const actor = this.#options.create(id, (error) => this.#crash(id, actor, error));
    return this.#registry.enter(id, actor, () => actor.start());
  }

  /** Stops all actors; none starts any more. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#sweeper);
    this.#registry.visitAll((id, actor) => this.#end(id, actor));
  }

  #crash(id: Id, actor: A, error: unknown): void {
    if (!this.#leave(id, actor)) return;
    const { name, idKey, log } = this.#options;
    log.error({ err: error, actor: name, [idKey]: id }, 'actor crashed');
    actor.crashed(error);
  }

  #passivate(): void {
    const now = performance.now();
    // One that is still starting has nobody yet, and somebody who waits for it.
    this.#registry.visitRunning((id, actor) => {
      if (actor.isIdle) this.#endIfOver(id, actor, now);
      else this.#idleSince.delete(actor);
    });
  }

  /** One that is idle, as it may have been at the look before. */
  #endIfOver(id: Id, actor: A, now: number): void {
    const since = this.#idleSince.get(actor) ?? now;
    this.#idleSince.set(actor, since);
    if (now - since >= this.#options.idleMs) this.#end(id, actor);
  }

  /** It leaves the registry first, so that nobody is handed an actor that is about to end. */
  #end(id: Id, actor: A): void {
    if (this.#leave(id, actor)) actor.stop();
  }

  #leave(id: Id, actor: A): boolean {
    this.#idleSince.delete(actor);
    return this.#registry.leave(id, actor);
  }
}
