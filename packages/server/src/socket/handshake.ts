import type { IncomingMessage } from 'node:http';
import { type Serializer, serializerV1, serializerV2 } from '@fleetlm/protocol';
import type { Credentials } from '../auth/authenticator.ts';
import { isAllowedOrigin, isLoopbackHost } from '../auth/request-guard.ts';
import type { Config } from '../config/config.ts';
import { decodeHeaderText } from '../lib/header-text.ts';

/** Where the official client connects to for the endpoint `/socket`. */
export const socketPath = '/socket/websocket';

/** What an upgrade request asks for, or the status that refuses it. */
export type Handshake =
  | { readonly ok: true; readonly serializer: Serializer; readonly credentials: Credentials }
  | { readonly ok: false; readonly status: 400 | 403 | 404 };

/** Reads an upgrade request, as far as that goes without asking anybody. */
export function readHandshake(request: IncomingMessage, auth: Config['auth']): Handshake {
  const { method, headers, url = '' } = request;
  const [path, query = ''] = splitOnce(url, '?');
  if (path !== socketPath) return refuse(404);
  if (method !== 'GET') return refuse(400);
  const parameters = new URLSearchParams(query);
  const serializer = negotiate(parameters.get('vsn'));
  const protocols = readProtocols(headers['sec-websocket-protocol']);
  if (serializer === null || protocols === null) return refuse(403);
  if (!isAllowedOrigin(headers.origin, headers.host, auth.allowedOrigins)) return refuse(403);
  const isAnyHost = auth.mode !== 'none' || auth.insecureAllowNoAuth;
  if (!isAnyHost && !isLoopbackHost(headers.host)) return refuse(403);
  const named = oneHeader(headers['x-participant-id']);
  const namedText = named === null ? null : decodeHeaderText(named);
  if (named !== null && namedText === null) return refuse(403);
  const credentials = {
    // An empty id stays an empty id, which is refused: only a caller that gives none is the service.
    participantId: parameters.get('participant_id') ?? namedText,
    token: protocols.token ?? readBearer(headers.authorization) ?? parameters.get('token'),
  };
  return { ok: true, serializer, credentials };
}

/**
 * Which requests the HTTP server hands to its `upgrade` listeners; for `http.createServer`'s
 * `shouldUpgradeCallback`. Others are answered as if they had not asked: Java's HttpClient and `curl --http2`
 * offer `Upgrade: h2c` on every plain request.
 */
export function isWebSocketUpgrade(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket';
}

/** What the HTTP edge answers to a request for `socketPath` that is no upgrade. */
export function answerWithoutUpgrade(method: string): { readonly status: 400; readonly body: string } {
  return { status: 400, body: method === 'GET' ? 'Connect with a WebSocket upgrade request.\n' : '' };
}

const tokenPrefix = 'base64url.bearer.phx.';

/** Phoenix: a missing version is 1.0.0; otherwise `~> 1.0.0` or `~> 2.0.0`. */
function negotiate(vsn: string | null): Serializer | null {
  if (vsn === null || /^1\.0\.\d+$/.test(vsn)) return serializerV1;
  return /^2\.0\.\d+$/.test(vsn) ? serializerV2 : null;
}

/**
 * The token among the offered subprotocols. Null: some were offered, but not `phoenix`; a browser would fail
 * the connection whatever we answered. The client sends plain base64 without padding.
 */
function readProtocols(header: string | undefined): { readonly token: string | null } | null {
  if (header === undefined) return { token: null };
  const offered = header.split(',').map((protocol) => protocol.trim());
  if (!offered.includes('phoenix')) return null;
  const carrier = offered.find((protocol) => protocol.startsWith(tokenPrefix));
  if (carrier === undefined) return { token: null };
  return { token: Buffer.from(carrier.slice(tokenPrefix.length), 'base64').toString() };
}

function readBearer(header: string | undefined): string | null {
  return header?.match(/^bearer +(\S+)$/i)?.[1] ?? null;
}

function oneHeader(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null;
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

function refuse(status: 400 | 403 | 404): Handshake {
  return { ok: false, status };
}
