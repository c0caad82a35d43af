import { defineConfig } from 'vitest/config';

// The suites run from source, as the server does.
const conditions = ['fleetlm-source', 'node'];

export default defineConfig({
  resolve: { conditions },
  environments: { ssr: { resolve: { conditions } }, __vitest__: { resolve: { conditions } } },
  test: {
    include: [
      'packages/*/test/**/*.test.ts',
      'conformance/test/**/*.test.ts',
      'bench/test/**/*.test.ts',
      'tests/**/*.test.ts',
    ],
    globalSetup: ['@fleetlm/testkit/global-setup'],
    pool: 'forks',
    // Twice as many as CI has cores: tests wait for sockets, leases and Postgres as long as they compute.
    maxWorkers: 4,
    execArgv: ['--conditions=fleetlm-source'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
