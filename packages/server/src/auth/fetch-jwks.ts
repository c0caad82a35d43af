import type { JSONWebKeySet } from 'jose';

/** Those who connect wait for it when there are no keys: phoenix.js gives up after 10 s. */
const timeoutMs = 5_000;

/** Hundreds of keys; an issuer has a handful. */
const maxBytes = 256 << 10;

/** Fetches a JWKS. What it holds is checked by whoever uses it. */
export async function fetchJwks(url: string, signal: AbortSignal): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    // The address is configuration, and nobody else's choice.
    redirect: 'error',
    headers: { accept: 'application/jwk-set+json, application/json' },
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`expected 200, got ${response.status}`);
  }
  return JSON.parse(await readText(response));
}

async function readText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop cancels the rest of the body.
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the JWKS is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
