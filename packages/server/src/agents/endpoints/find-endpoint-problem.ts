import { type EndpointBody, type WireError, wireError } from '@fleetlm/protocol';
import { unreachable } from '../../lib/unreachable.ts';
import type { AddressGuard, UrlRefusal } from '../webhook/address-guard.ts';
import { findHeaderProblem } from '../webhook/endpoint-headers.ts';
import { parseSigningSecret } from '../webhook/signature.ts';
import { describeRefusal } from './describe-refusal.ts';
import type { Endpoint } from './endpoint.ts';

/** A request line of ours with it stays below what servers take for headers. */
const maxTokenLength = 4_096;
/** What a header can carry without doubt. */
const bearerToken = /^[\x21-\x7e]+$/;

/** Why the endpoint cannot be made, or changed, like that; null when it can. */
export function findEndpointProblem(
  before: Endpoint | null,
  change: EndpointBody,
  guard: AddressGuard,
): WireError | null {
  const { origin_url: url } = change;
  if (url === undefined && before === null) return invalidField('origin_url', 'is required');
  const check = url === undefined ? null : guard.checkUrl(url);
  if (check !== null && !check.ok) return urlNotAllowed(check.refusal);
  return findAuthProblem(before, change) ?? findHeadersProblem(before, change);
}

function findAuthProblem(before: Endpoint | null, change: EndpointBody): WireError | null {
  const { auth_value: value } = change;
  const strategy = strategyAfter(before, change);
  if (value === undefined) {
    // A token is no key: whoever changes what the value means gives one that means it.
    const isMissing = strategy !== 'none' && strategy !== before?.authStrategy;
    return isMissing ? invalidField('auth_value', `is required for auth_strategy ${strategy}`) : null;
  }
  switch (strategy) {
    case 'none':
      return invalidField('auth_value', 'must be left out when auth_strategy is none');
    case 'bearer':
      return bearerToken.test(value) && value.length <= maxTokenLength
        ? null
        : invalidField(
            'auth_value',
            `must be 1 to ${maxTokenLength} printable ASCII characters, without spaces`,
          );
    case 'hmac':
      return parseSigningSecret(value) === null
        ? invalidField('auth_value', 'must be a text of 24 to 64 bytes, or whsec_ and the base64 of as many')
        : null;
    default:
      return unreachable(strategy);
  }
}

function findHeadersProblem(before: Endpoint | null, change: EndpointBody): WireError | null {
  const headers = change.headers ?? before?.headers ?? {};
  const problem = findHeaderProblem(headers);
  if (problem !== null) return invalidField('headers', problem);
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  const isTwice = strategyAfter(before, change) === 'bearer' && names.includes('authorization');
  return isTwice ? invalidField('headers', 'must not set authorization: auth_strategy bearer does') : null;
}

function strategyAfter(before: Endpoint | null, change: EndpointBody) {
  return change.auth_strategy ?? before?.authStrategy ?? 'none';
}

function urlNotAllowed(refusal: UrlRefusal): WireError {
  const problem = describeRefusal(refusal);
  return wireError('url_not_allowed', `origin_url ${problem}`, { origin_url: [problem] });
}

function invalidField(field: string, problem: string): WireError {
  return wireError('invalid_request', `${field} ${problem}`, { [field]: [problem] });
}
