import type { Client } from 'pg';

/** A pooler between us and Postgres, by whether a connection keeps its settings and prepared statements. */
export type Pooler = 'keeps a session' | 'mixes sessions';

/**
 * The pooler that a connection goes through; null: it leads to Postgres itself. Postgres tells a client the pid of its
 * backend when it connects, for cancelling; a pooler tells a number of its own. One that pools transactions gives the
 * backend of an idle client to the next that begins something: then the first finds another, without its settings.
 */
export async function findPooler(
  client: Client,
  backendPid: number,
  connect: () => Promise<Client>,
): Promise<Pooler | null> {
  if ((client as unknown as { readonly processID: number }).processID === backendPid) return null;
  await client.query(`set fleetlm.doctor = 'was here'`);
  const rival = await connect();
  try {
    await rival.query('begin');
    const { rows } = await client.query<{ mark: string | null }>(
      `select current_setting('fleetlm.doctor', true) as mark`,
    );
    await rival.query('rollback');
    return rows[0]!.mark === 'was here' ? 'keeps a session' : 'mixes sessions';
  } finally {
    await rival.end().catch(() => {});
  }
}
