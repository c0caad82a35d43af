import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describeWire, findChanges } from './describe-wire.ts';

// Writes packages/protocol/wire.json, once a change of the wire is decided. A test compares it.
const target = resolve(import.meta.dirname, '../packages/protocol/wire.json');
const wire = describeWire();
for (const change of findChanges(JSON.parse(readFileSync(target, 'utf8')), wire))
  console.log(`changed: ${change}`);
writeFileSync(target, `${JSON.stringify(wire, null, 2)}\n`);
console.log(`wrote ${target}`);
