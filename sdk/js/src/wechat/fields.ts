/** Header fields: an object with names in any case on one side, pairs with names in lower case on the other. */

import { fromLatin1 } from "../bytes.js";
import type { Field } from "../link/call.js";
import { encodeText } from "./text.js";
import type { HeadersReceived } from "./wx.js";

// Of one connection (RFC 9110, 7.6.1), or said elsewhere, or by the platform itself; and what has come coded
// can't be decoded here.
const LEFT_OUT = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "referer",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What goes to the upstream. */
export function toFields(header: object | undefined): Field[] {
  return entries(header)
    .map(([name, value]): Field => [name, fromLatin1(encodeText(value.trim()))])
    .filter(([name]) => !LEFT_OUT.has(name) && !name.startsWith("proxy-"));
}

/** As the platform shows an answer: names in lower case, lines of one name joined, `set-cookie` as a list too. */
export function toHead(statusCode: number, fields: readonly Field[]): HeadersReceived {
  const header = new Map<string, string>();
  for (const [name, value] of fields) {
    const before = header.get(name);
    const joint = name === "set-cookie" ? "," : ", ";
    header.set(name, before === undefined ? value : before + joint + value);
  }
  const cookies = fields.filter(([name]) => name === "set-cookie").map(([, value]) => value);
  return { statusCode, header: Object.fromEntries(header), cookies };
}

/** Of what the platform gives, whatever the case of the name there. */
export function fieldOf(header: object | undefined, name: string): string | undefined {
  return entries(header).find(([there]) => there === name)?.[1];
}

/** The `set-cookie` lines of a head: its list (base library 2.10.0), else the joined field, cut again. */
export function cookieLines(head: Partial<HeadersReceived>): string[] {
  if (head.cookies !== undefined && head.cookies.length > 0) return head.cookies;
  const joined = fieldOf(head.header, "set-cookie");
  return joined === undefined ? [] : joined.split(/,(?=[^;,=]+=)/); // dates have commas, and no "=" behind them
}

function entries(header: object | undefined): [name: string, value: string][] {
  return Object.entries(header ?? {})
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => [name.toLowerCase(), String(value)]);
}
