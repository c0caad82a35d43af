import { chown, readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { EmbeddedPostgresError } from './embedded-postgres-error.ts';
import { ifMissing } from './missing-file.ts';

/** The user that Postgres runs as when that is not our own. */
export interface ServerAccount {
  readonly uid: number;
  readonly gid: number;
}

/** `_postgres` is macOS's name for it; `nobody` exists everywhere, slim container images included. */
const candidates = ['postgres', '_postgres', 'nobody'];

/**
 * Postgres refuses to run as root; undefined means that it may run as ourselves.
 * An existing cluster keeps its owner, since Postgres serves only a directory that its own user owns: a container
 * image may give `postgres` another number than the one before, or the directory may come from outside.
 */
export async function chooseServerAccount(clusterDir: string): Promise<ServerAccount | undefined> {
  const owner = await stat(clusterDir).catch(ifMissing(undefined));
  const ownUid = process.geteuid?.();
  if (ownUid === undefined) return undefined; // Windows
  if (ownUid !== 0) {
    if (owner === undefined) requirePasswdEntry(ownUid);
    else await requireOwner(clusterDir, undefined);
    return undefined;
  }
  const accounts = await readAccounts();
  if (owner !== undefined && owner.uid !== 0) {
    return [...accounts.values()].find(({ uid }) => uid === owner.uid) ?? { uid: owner.uid, gid: owner.gid };
  }
  const name = candidates.find((candidate) => accounts.has(candidate));
  if (name !== undefined) return accounts.get(name);
  throw new EmbeddedPostgresError(
    `Postgres refuses to run as root, and this system has no user ${candidates.join(' or ')} to run it as. ` +
      'Start FleetLM as an ordinary user, or set DATABASE_URL to a Postgres server.',
  );
}

/** Postgres serves only a cluster of its own user. */
export async function requireOwner(clusterDir: string, account: ServerAccount | undefined): Promise<void> {
  const { uid: owner } = await stat(clusterDir);
  const uid = account?.uid ?? process.geteuid?.() ?? owner;
  if (owner === uid) return;
  throw new EmbeddedPostgresError(
    `The cluster in ${clusterDir} belongs to user id ${owner}, and Postgres would run as ${uid}. ` +
      `Start FleetLM as that user, or run: chown -R ${uid} '${clusterDir}'`,
  );
}

export async function giveTo(path: string, account: ServerAccount | undefined): Promise<void> {
  if (account === undefined) return;
  try {
    await chown(path, account.uid, account.gid);
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `Cannot give ${path} to Postgres's user: ${String(cause)}. Root needs the right to do so (CAP_CHOWN), and the ` +
        'file system must allow it; or start FleetLM as an ordinary user.',
      { cause },
    );
  }
}

/** Node has no getpwnam; system accounts are in the file, whatever directory service there is besides. */
async function readAccounts(): Promise<Map<string, ServerAccount>> {
  const accounts = new Map<string, ServerAccount>();
  for (const line of (await readFile('/etc/passwd', 'utf8').catch(ifMissing(''))).split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name && uid && gid && Number(uid) !== 0) accounts.set(name, { uid: Number(uid), gid: Number(gid) });
  }
  return accounts;
}

function requirePasswdEntry(uid: number): void {
  try {
    userInfo();
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `initdb needs the name of its user, and user id ${uid} has no entry in /etc/passwd. Add one, start FleetLM ` +
        'as another user, or set DATABASE_URL to a Postgres server.',
      { cause },
    );
  }
}
