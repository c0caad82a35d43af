import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { generatedDocs } from './generated-docs.ts';

// Writes the pages of docs/ that are made from the code. A test compares them.
for (const [name, text] of Object.entries(generatedDocs())) {
  const target = resolve(import.meta.dirname, '../docs', name);
  writeFileSync(target, text);
  console.log(`wrote ${target}`);
}
