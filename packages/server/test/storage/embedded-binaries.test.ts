import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepareBinaries } from '../../src/storage/embedded/binaries.ts';
import { locateBinaryPackage } from '../../src/storage/embedded/binary-package.ts';
import {
  accountOf,
  binaryPackageDir,
  copyBinaryPackage,
  isRoot,
  temporaryDirectory,
} from './embedded-fixture.ts';

describe('the binaries', () => {
  it('get the links that npm leaves out, made by several at once', async () => {
    const dir = join(temporaryDirectory(), 'package');
    copyBinaryPackage(dir);
    const { version } = await locateBinaryPackage();
    const found = await Promise.all(
      Array.from({ length: 4 }, () => prepareBinaries({ dir, version }, undefined, [])),
    );
    expect(found[0]?.postgres).toBe(join(dir, 'native', 'bin', 'postgres'));
    for (const { target } of links()) expect(lstatSync(join(dir, target)).isSymbolicLink()).toBe(true);
  });

  it.skipIf(!isRoot)(
    'are copied once where another user can run them, not to a place made by others',
    async () => {
      const home = temporaryDirectory();
      const dir = join(home, 'package');
      copyBinaryPackage(dir);
      const open = temporaryDirectory();
      chmodSync(open, 0o755);
      const nobody = accountOf('nobody');
      const [trap, cache] = [join(open, 'trap'), join(open, 'cache')];
      mkdirSync(trap);
      chownSync(trap, nobody.uid, nobody.gid);

      const { version } = await locateBinaryPackage();
      const prepare = () => prepareBinaries({ dir, version }, nobody, [trap, cache]);
      const [first, second] = await Promise.all([prepare(), prepare()]);
      expect(first).toEqual(second);
      expect(first.postgres.startsWith(cache)).toBe(true);
      expect(existsSync(join(trap, 'package'))).toBe(false);
      for (const { target } of links()) {
        expect(existsSync(join(first.postgres, '../../..', target))).toBe(true);
      }
    },
  );

  it('say why they cannot be run', async () => {
    const dir = join(temporaryDirectory(), 'package');
    copyBinaryPackage(dir);
    rmSync(join(dir, 'native', 'lib', 'libcrypto.so.1.1'));
    const { version } = await locateBinaryPackage();
    await expect(prepareBinaries({ dir, version }, undefined, [])).rejects.toThrow(
      /libcrypto.*DATABASE_URL/s,
    );
  });
});

function links(): { target: string }[] {
  return JSON.parse(readFileSync(join(binaryPackageDir(), 'native', 'pg-symlinks.json'), 'utf8'));
}
