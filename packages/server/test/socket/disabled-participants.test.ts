import { parseParticipantId } from '@fleetlm/protocol';
import { quietLog, waitUntil } from '@fleetlm/testkit';
import { expect, test } from 'vitest';
import { DisabledParticipants } from '../../src/socket/disabled-participants.ts';

const alice = parseParticipantId('user:alice')!;

test('a check that fails is logged; the next one does its work, and none is left after the stop', async () => {
  const warnings: string[] = [];
  const disconnected: string[] = [];
  let checks = 0;
  const disabled = new DisabledParticipants({
    sockets: {
      participantIds: new Set([alice]),
      disconnect: (id) => void disconnected.push(id),
    },
    streams: { participantIds: new Set(), disconnect: () => undefined },
    directory: {
      listen: () => undefined,
      findDisabled: async (ids) => {
        checks += 1;
        if (checks === 1) throw new Error('no database');
        return [...ids];
      },
    },
    log: { ...quietLog, warn: (_fields, message) => void warnings.push(message) },
    intervalMs: 1,
  });
  disabled.start();
  await waitUntil(() => disconnected.length > 0);
  await disabled.stop();
  expect(warnings).toEqual(['disabled participants cannot be looked for']);
  const before = checks;
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(checks).toBe(before);
});
