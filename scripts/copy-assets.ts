import { cpSync, globSync } from 'node:fs';

// `tsc` leaves the files behind that modules read beside themselves.
for (const file of globSync('packages/server/src/**/*.{sql,css}')) {
  cpSync(file, file.replace('/src/', '/dist/'));
}

// What the server serves at /docs.
cpSync('docs', 'packages/server/dist/site/docs', { recursive: true });
cpSync('llms.txt', 'packages/server/dist/site/llms.txt');
