import { splitList } from './split-list.ts';
import type { Values } from './variables.ts';

/** Where traces go, and which; `endpoint` null: nowhere. */
export function readTracing(values: Values) {
  const base = values.OTEL_EXPORTER_OTLP_ENDPOINT;
  return {
    /** The address that is posted to. */
    endpoint: values.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? (base && toTracesUrl(base)),
    headers: parseHeaders(values.OTEL_EXPORTER_OTLP_HEADERS ?? ''),
    serviceName: values.OTEL_SERVICE_NAME,
    /** Of the traces that begin here. */
    ratio: values.OTEL_TRACES_SAMPLER_ARG,
    delayMs: values.OTEL_BSP_SCHEDULE_DELAY,
  };
}

/** A collector's address in `text`; null when it is empty. Throws "must be …". */
export function parseCollectorUrl(text: string): string | null {
  if (text === '') return null;
  const url = URL.parse(text);
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
    throw new Error('must be an http or https URL');
  // They would be logged with the address, and `fetch` refuses them: OTEL_EXPORTER_OTLP_HEADERS is for secrets.
  if (url.username !== '' || url.password !== '') throw new Error('must be a URL without user and password');
  return url.href;
}

/** What is wrong with the headers in `text`, as "must be …", or null. The text is a secret: it is not quoted. */
export function checkHeaders(text: string): string | null {
  try {
    new Headers(parseHeaders(text));
    return null;
  } catch {
    return 'must be a list of name=value, separated by commas, values percent-encoded';
  }
}

/** The form is that of W3C Baggage (OpenTelemetry, OTLP exporter). Throws when it is not in that form. */
function parseHeaders(text: string): [name: string, value: string][] {
  return splitList(text).map(parseHeader);
}

function parseHeader(item: string): [name: string, value: string] {
  const equals = item.indexOf('=');
  if (equals < 1) throw new Error('must be name=value');
  return [item.slice(0, equals).trim(), decodeURIComponent(item.slice(equals + 1).trim())];
}

/** The general address is the base of each signal's (OpenTelemetry, OTLP exporter). */
function toTracesUrl(base: string): string {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`;
  return url.href;
}
