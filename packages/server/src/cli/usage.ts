/** What `fleetlm --help` prints. */
export const usage = `FleetLM: durable, real-time conversations of people and AI agents.

Usage: fleetlm <command>

  start         start the server (the default)
  db create     make the database of DATABASE_URL
  db migrate    bring its tables up to date
  db seed       add somebody to talk to: alice, bob, carol, an agent, two sessions
  db setup      create, migrate and seed
  db reset      delete everything, then migrate and seed; asks for --yes

Options:
  -h, --help      this text
  -v, --version   the version

Settings are environment variables: see docs/configuration.md. Without DATABASE_URL
FleetLM runs a Postgres of its own in FLEETLM_DATA_DIR (default .fleetlm).
In this repository each command is an npm script: npm start, npm run db:migrate, …
`;
