import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describeErrors } from '@fleetlm/protocol';
import { describeConfiguration, describeMetrics } from 'fleetlm';
import { describeAuthorization } from '../tests/authorization-table.ts';

// Writes the pages of docs/ that are made from the code. A test compares them.
const pages = {
  'authorization.md': describeAuthorization(),
  'configuration.md': describeConfiguration(),
  'errors.md': describeErrors(),
  'metrics.md': describeMetrics(),
};
for (const [name, text] of Object.entries(pages)) {
  const target = resolve(import.meta.dirname, '../docs', name);
  writeFileSync(target, text);
  console.log(`wrote ${target}`);
}
