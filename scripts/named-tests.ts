/** A test file that a page names, and words of the names of its tests. */
export interface NamedTests {
  readonly file: string;
  readonly names: readonly string[];
}

/** A row of a page's table, and the tests that hold it. */
export interface HeldRow {
  /** As `I28` or `S4`. */
  readonly id: string;
  readonly tests: readonly NamedTests[];
}

/** The rows of the tables in a page whose first cell is an id that begins with `letter`. */
export function readHeldRows(page: string, letter: string): HeldRow[] {
  const rows = page.split('\n').filter((line) => new RegExp(`^\\| ${letter}\\d+ `).test(line));
  return rows.map((row) => ({ id: row.split(' ', 2)[1]!, tests: readNamedTests(row) }));
}

function readNamedTests(row: string): NamedTests[] {
  return [...row.matchAll(/`((?:packages|tests|conformance)\/[^`]+\.test\.ts)`((?:,? "[^"]+")*)/g)].map(
    ([, file, names]) => ({
      file: file!,
      names: [...names!.matchAll(/"([^"]+)"/g)].map(([, name]) => name!),
    }),
  );
}
