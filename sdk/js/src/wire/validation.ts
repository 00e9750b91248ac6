/**
 * What an inner request must be (protocol, section 7), so that a caller learns the reason, which the gateway would
 * not tell.
 */

import { LinkError } from "../errors.js";
import { whyNoField } from "./fields.js";
import type { Field, InnerRequest } from "./inner.js";

export interface Rules {
  /** The link's own prefix, which no inner request may name. */
  linkPath: string;
  /** Its body comes in chunks, for the caller to count against `content-length`. */
  streamed?: boolean;
  /** A gateway may allow `%2f` for upstreams that need it, and a client can't know. */
  allowEncodedSlash?: boolean;
}

const MAX_METHOD = 32;
const MAX_AUTHORITY = 255;
const MAX_PATH = 16_384;
const MAX_FIELDS = 200;
const MAX_FIELD_BYTES = 65_536;
const MAX_TAGS = 16;
const MAX_TAG = 64;
const EXCHANGE_ID_LENGTH = 16;
const BINDING_LENGTH = 32;

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const REFUSED_METHOD = /^(?:CONNECT|TRACE)$/i;
const AUTHORITY =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::([1-9][0-9]{0,4}))?$/;
const TARGET = /^\/[\x21\x22\x24-\x5b\x5d-\x7e]*$/; // neither "#" nor backslash
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;
const UNRESERVED = /[A-Za-z0-9._~-]/;
// With parameters too: "..;x" is ".." to Envoy's own normalization, and to servlet containers.
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:;[^/]*)?(?:\/|$)/;
const REFUSED_ESCAPE = /%(?:5c|00)/i;
const ENCODED_SLASH = /%2f/i;
const REFUSED_FIELD = /^(?:connection|transfer-encoding|upgrade|te|trailer|keep-alive|proxy-.*|x-link-.*)$/;
const SINGLE_FIELDS = ["host", "content-length", "content-type", "authorization", "origin", "referer"];

/** The path as it goes on. Throws LinkError("bad-request") for a request that the gateway would refuse. */
export function validateRequest(inner: InnerRequest, rules: Rules): string {
  checkLine(inner);
  const path = checkedPath(inner.path, rules);
  checkLengths(inner);
  checkFields(inner.headers);
  checkSingleFields(inner, rules.streamed ?? false);
  return path;
}

function refuse(reason: string): never {
  throw new LinkError("bad-request", reason);
}

function checkLine({ method, scheme, authority, path }: InnerRequest): void {
  if (method.length > MAX_METHOD) refuse(`a method of ${method.length} characters`);
  if (authority.length > MAX_AUTHORITY) refuse(`an authority of ${authority.length} characters`);
  if (path.length > MAX_PATH) refuse(`a path of ${path.length} characters`);
  if (!METHOD.test(method) || REFUSED_METHOD.test(method)) refuse("method");
  if (scheme !== "http" && scheme !== "https") refuse("scheme");
  const [matched, port = "0"] = AUTHORITY.exec(authority) ?? [];
  if (matched === undefined || Number(port) > 65_535) refuse("authority");
}

function checkedPath(target: string, { linkPath, allowEncodedSlash = false }: Rules): string {
  if (!TARGET.test(target)) refuse("path is not in origin form, or has a character that it may not have");
  const queryAt = target.includes("?") ? target.indexOf("?") : target.length;
  const escaped = target.slice(0, queryAt);
  if (BAD_ESCAPE.test(escaped)) refuse("path has a percent sign that escapes nothing");
  const path = escaped.replace(/%../g, unescapeUnreserved);
  const decoded = path.replace(/%2f/gi, "/"); // as an upstream reads it that needs encoded slashes
  if (decoded.includes("//") || DOT_SEGMENT.test(decoded)) refuse("path has an empty or a dot segment");
  if (REFUSED_ESCAPE.test(path)) refuse("path has an escape that it may not have");
  if (!allowEncodedSlash && ENCODED_SLASH.test(path)) refuse("path has an encoded slash");
  if (path === linkPath || path.startsWith(`${linkPath}/`)) refuse("path is one of the link's own");
  return path + target.slice(queryAt);
}

/** RFC 3986, 6.2.2.2. */
function unescapeUnreserved(escape: string): string {
  const character = String.fromCharCode(parseInt(escape.slice(1), 16));
  return UNRESERVED.test(character) ? character : escape;
}

function checkLengths({ exchangeId, cookieBinding, client }: InnerRequest): void {
  if (exchangeId.length !== EXCHANGE_ID_LENGTH) refuse(`exchange_id of ${exchangeId.length} bytes`);
  const binding = cookieBinding?.length ?? 0;
  if (binding !== 0 && binding !== BINDING_LENGTH) refuse(`cookie_binding of ${binding} bytes`);
  if (client?.tags !== undefined && !areTags(client.tags)) refuse("client tags over their bounds");
}

/** Whether these may go as a client's tags: at most 16 of at most 64 characters. */
export function areTags(tags: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(tags);
  // Code points, and not UTF-16's units.
  return entries.length <= MAX_TAGS && entries.flat().every((text) => Array.from(text).length <= MAX_TAG);
}

function checkFields(fields: readonly Readonly<Field>[]): void {
  if (fields.length > MAX_FIELDS) refuse(`${fields.length} headers`);
  const bytes = fields.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (bytes > MAX_FIELD_BYTES) refuse("more than 64 KiB of headers");
  for (const field of fields) {
    const reason = whyNoField(field);
    if (reason !== undefined) refuse(reason);
    if (REFUSED_FIELD.test(field[0])) refuse(`header ${field[0]}`);
  }
}

function checkSingleFields({ headers, authority, body }: InnerRequest, streamed: boolean): void {
  for (const name of SINGLE_FIELDS) {
    const [value, ...more] = headers.filter((field) => field[0] === name).map((field) => field[1]);
    if (value === undefined) continue;
    if (more.length > 0) refuse(`header ${name} twice`);
    if (name === "host" && value !== authority) refuse("host is not the authority");
    if (name !== "content-length") continue;
    if (!/^[0-9]+$/.test(value)) refuse("content-length is no number");
    if (!streamed && Number(value) !== (body?.length ?? 0)) refuse("content-length is not the body's");
  }
}
