import { randomBytes } from 'node:crypto';
import type { Identity } from './identity.ts';

/** What the suite must know of how the server is set up; the defaults are FleetLM's own. */
export interface Settings {
  /** Silence after which a socket is closed. */
  readonly idleMs: number;
  readonly maxTopics: number;
  /** A web origin that may connect. Null: that of the server's own address. */
  readonly origin: string | null;
  /** Whether cases run that take a minute, or send many megabytes. */
  readonly isSlow: boolean;
}

const defaultSettings: Settings = { idleMs: 60_000, maxTopics: 100, origin: null, isSlow: false };

/** The server under test, and how to act as somebody there. */
export class Target {
  /** `http://host:port` */
  readonly url: string;
  readonly identity: Identity;
  readonly settings: Settings;
  /** Names what this run makes: others may run at the same time, and may have run before. */
  readonly #runId = randomBytes(5).toString('hex');
  #people = 0;

  constructor(url: string, identity: Identity, settings: Partial<Settings> = {}) {
    this.url = url;
    this.identity = identity;
    this.settings = { ...defaultSettings, ...settings };
  }

  /** What an official client takes: it adds `/websocket`. */
  get socketEndpoint(): string {
    return new URL('/socket', this.url.replace(/^http/, 'ws')).href;
  }

  newId(kind: 'user' | 'agent'): string {
    this.#people += 1;
    return `${kind}:conformance-${this.#runId}-${this.#people}`;
  }
}
