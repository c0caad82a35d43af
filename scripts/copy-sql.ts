import { cpSync, globSync } from 'node:fs';

// `tsc` leaves the statements behind that modules read beside themselves.
for (const file of globSync('packages/server/src/**/*.sql')) {
  cpSync(file, file.replace('/src/', '/dist/'));
}
