import { Client } from 'undici';
import { type Percentiles, percentiles } from '../statistics.ts';
import type { Load } from './load.ts';

export interface InboxPagesOrder {
  readonly url: string;
  readonly participantIds: readonly string[];
  /** How many conversations a first page has: all of these participants have more. */
  readonly pageSize: number;
}

interface Page {
  readonly conversations: readonly { readonly session_id: string }[];
}

/** People who open their inbox, in turn, over one connection that is kept; returns the times of each. */
export async function openInboxPages({
  url,
  participantIds,
  pageSize,
}: InboxPagesOrder): Promise<Load<{ seconds: number }, Percentiles[]>> {
  const client = new Client(url);
  return {
    async run({ seconds }) {
      const times = participantIds.map(() => [] as number[]);
      const endMs = performance.now() + seconds * 1_000;
      do {
        for (const [index, participantId] of participantIds.entries()) {
          const beganMs = performance.now();
          const page = await readFirstPage(client, participantId);
          times[index]!.push(performance.now() - beganMs);
          checkPage(page, pageSize);
        }
      } while (performance.now() < endMs);
      return times.map(percentiles);
    },
  };
}

async function readFirstPage(client: Client, participantId: string): Promise<Page> {
  const { statusCode, body } = await client.request({
    method: 'GET',
    path: `/api/participants/${participantId}/inbox`,
    headers: { 'x-participant-id': participantId },
  });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`an inbox was answered with ${statusCode}: ${text}`);
  return JSON.parse(text);
}

function checkPage({ conversations }: Page, pageSize: number): void {
  const { size } = new Set(conversations.map(({ session_id: id }) => id));
  if (size === pageSize && conversations.length === pageSize) return;
  throw new Error(`a first page has ${conversations.length} conversations, ${size} of them once`);
}
