import type { TestServer } from './test-server.ts';

/** Makes participants; by convention their ids tell their kinds. */
export async function addParticipants(
  { api }: Pick<TestServer, 'api'>,
  ...ids: readonly string[]
): Promise<void> {
  for (const id of ids) {
    const { status } = await api('PUT', `/api/participants/${encodeURIComponent(id)}`, { body: {} });
    if (status !== 200) throw new Error(`PUT of ${id} was answered with ${status}`);
  }
}

/** A new group of these participants, the first of them its initiator. Returns its id. */
export async function addGroup({ api }: Pick<TestServer, 'api'>, ...ids: readonly string[]): Promise<string> {
  const [initiator_id, ...member_ids] = ids;
  const answer = await api('POST', '/api/sessions', { body: { kind: 'group', initiator_id, member_ids } });
  if (answer.status !== 201) throw new Error(`the group was answered with ${JSON.stringify(answer.body)}`);
  return answer.body.session.id;
}
