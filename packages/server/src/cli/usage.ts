/** What `fleetlm --help` prints. */
export const usage = `FleetLM: durable, real-time conversations of people and AI agents.

Usage: fleetlm <command>

  start         start the server (the default)
  db create     make the database of DATABASE_URL
  db migrate    bring its tables up to date
  db seed       add somebody to talk to: alice, bob, carol, an agent, two sessions
  db setup      create, migrate and seed
  db reset      delete everything, then migrate and seed; asks for --yes
  config        print every setting, its value and where that comes from; secrets as ***
  doctor        try what a start needs, look for what weakens it, and say what to do
  token         print a token signed with FLEETLM_JWT_SECRET
  agent         try an agent, list what agents were asked, ask again: see fleetlm agent --help

Options:
  -h, --help      this text
  -v, --version   the version

Options of config and doctor:
  --json          for programs

Options of token:
  --sub <id>        the participant, as user:alice; needed
  --role service    an application's backend, which may act for anyone
  --ttl <time>      how long it is good: 30s, 15m, 1h (the default), up to 365d

Settings are environment variables: see docs/configuration.md. Without DATABASE_URL
FleetLM runs a Postgres of its own in FLEETLM_DATA_DIR (default .fleetlm).
A command is run as npx fleetlm <command> in a clone of the repository, as fleetlm <command>
where the package is installed globally.
`;
