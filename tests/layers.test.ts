import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

/**
 * The server's layers from above to below: a file imports from its own folder and from those under it. Folders
 * of one row stand side by side and never import each other: they meet below.
 */
const rows: readonly (readonly string[])[] = [
  ['main.ts', 'index.ts'],
  ['cli'],
  ['server.ts'],
  ['context.ts'],
  ['http'],
  ['socket'],
  ['channels'],
  ['gateway'],
  ['auth'],
  ['sessions', 'inbox', 'agents'],
  ['streams'],
  ['conversation'],
  ['pubsub'],
  ['runtime'],
  ['storage'],
  ['observability'],
  ['config'],
  ['lib'],
];

const root = resolve(import.meta.dirname, '../packages/server/src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

describe('imports inside the server', () => {
  test('every file belongs to a layer', () => {
    expect(files.filter((file) => levelOf(file) === -1)).toEqual([]);
  });

  test.each(files)('%s imports only downward', (file) => {
    const wrong = importsOf(file).filter((target) => !mayImport(file, target.file, target.isType));
    expect(wrong.map((target) => target.file)).toEqual([]);
  });
});

describe('imports between packages', () => {
  test('go by package name, through the entry', () => {
    const packages = resolve(import.meta.dirname, '../packages');
    const sources = readdirSync(packages, { recursive: true, encoding: 'utf8' }).filter(
      (file) => /^[^/]+\/src\/.*\.ts$/.test(file) && !file.includes('node_modules'),
    );
    const wrong = sources.filter((file) =>
      specifiersOf(join(packages, file)).some(({ specifier }) => {
        if (!specifier.startsWith('.')) return /^(fleetlm|@fleetlm\/[^/]+)\/src/.test(specifier);
        const target = relative(packages, resolve(packages, dirname(file), specifier));
        return target.split('/')[0] !== file.split('/')[0];
      }),
    );
    expect(wrong).toEqual([]);
  });
});

function mayImport(from: string, to: string, isType: boolean): boolean {
  if (layerOf(from) === layerOf(to)) return true;
  // The configuration's type says what a part may be told; nobody but the wiring parses it.
  if (isType && layerOf(to) === 'config') return true;
  return levelOf(to) > levelOf(from);
}

function layerOf(file: string): string {
  return file.split('/')[0]!;
}

function levelOf(file: string): number {
  return rows.findIndex((row) => row.includes(layerOf(file)));
}

function importsOf(file: string): { file: string; isType: boolean }[] {
  return specifiersOf(join(root, file))
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier, isType }) => ({
      file: relative(root, resolve(root, dirname(file), specifier)),
      isType,
    }));
}

function specifiersOf(path: string): { specifier: string; isType: boolean }[] {
  const source = readFileSync(path, 'utf8');
  const statements = source.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from '([^']+)'/gm);
  const dynamic = source.matchAll(/import\('([^']+)'\)/g);
  return [
    ...[...statements].map((match) => ({ specifier: match[2]!, isType: match[1] !== undefined })),
    ...[...dynamic].map((match) => ({ specifier: match[1]!, isType: false })),
  ];
}
