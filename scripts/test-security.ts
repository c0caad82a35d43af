import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readHeldRows } from './named-tests.ts';

// Runs every test file that docs/security.md names.
const rows = readHeldRows(readFileSync('docs/security.md', 'utf8'), 'S');
const files = new Set(rows.flatMap(({ tests }) => tests.map(({ file }) => file)));
const { status } = spawnSync('vitest', ['run', ...files], { stdio: 'inherit' });
process.exitCode = status ?? 1;
