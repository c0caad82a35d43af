import type { UrlRefusal } from '../webhook/address-guard.ts';

/** Why a URL is refused, and what to do: whoever registers one did not mean any harm, as a rule. */
export function describeRefusal(refusal: UrlRefusal): string {
  return `is refused (${refusal}): ${adviceOn(refusal)}`;
}

function adviceOn(refusal: UrlRefusal): string {
  switch (refusal) {
    case 'not_a_url':
    case 'not_an_address':
      return 'it must be an absolute URL, as https://agent.example/turns';
    case 'too_long':
      return 'it must be at most 2048 characters';
    case 'scheme':
      return 'it must begin with https://, or with http:// for this machine';
    case 'credentials':
      return 'it must hold no user and password; use auth_strategy and auth_value';
    case 'port':
      return 'its port must be 1 to 65535';
    case 'plain_http':
      return 'plain http goes to this machine only; use https';
    case 'loopback':
      return 'agents on the server’s own machine need FLEETLM_AGENT_ALLOW_LOOPBACK=1';
    case 'metadata':
    case 'forbidden_name':
      return 'metadata services are never called';
    default:
      return 'it must be a public address, unless FLEETLM_AGENT_ALLOWED_CIDRS allows its network';
  }
}
