import type { StreamId } from '@fleetlm/protocol';
import type { Db } from '../../storage/database.ts';
import type { RunningStream } from '../../streams/running-stream.ts';
import { removeSegmentsOf, removeStraySegments, type SavedSegment, saveSegments } from './stream-segments.ts';

/**
 * Saves what the streams of this node have shown, one statement for all. What was saved while its stream ended, and so
 * was not removed with that end, is removed the next time. Called by the dispatcher, one call at a time.
 */
export class SegmentSaver {
  readonly #db: Db;
  /** Taken from their streams; a save that fails is repeated. */
  readonly #unsaved: SavedSegment[] = [];
  /** Streams that ran here when they were saved last. */
  readonly #saved = new Set<StreamId>();

  constructor(db: Db) {
    this.#db = db;
  }

  async save(streams: readonly RunningStream[]): Promise<void> {
    const running = new Set(streams.map(({ facts }) => facts.streamId));
    for (const stream of streams) {
      const segment = stream.takeSegment();
      if (segment !== null) this.#unsaved.push({ streamId: stream.facts.streamId, ...segment });
    }
    await this.#saveTaken();
    const ended = [...this.#saved].filter((id) => !running.has(id));
    if (ended.length === 0) return;
    await removeSegmentsOf(this.#db, ended);
    for (const id of ended) this.#saved.delete(id);
  }

  /** Removes what nodes have left that died while a stream ended. */
  async clean(): Promise<void> {
    await removeStraySegments(this.#db);
  }

  async #saveTaken(): Promise<void> {
    const segments = [...this.#unsaved];
    if (segments.length === 0) return;
    for (const { streamId } of segments) this.#saved.add(streamId);
    await saveSegments(this.#db, segments);
    this.#unsaved.splice(0, segments.length);
  }
}
