/** A request's `data` on its way out, and an answer's on its way in, by the rules of `wx.request`. */

import type { Bytes } from "../bytes.js";
import { decodeText, encodeText } from "./text.js";
import type { RequestOptions } from "./wx.js";

export const DEFAULT_CONTENT_TYPE = "application/json";
const FORM = "application/x-www-form-urlencoded";

/** Data of a GET goes into the query. */
export function toQuery(data: RequestOptions["data"]): string {
  if (data === undefined || isBytes(data)) return "";
  return typeof data === "string" ? data : pairs(data);
}

/** Data of another method is the body: bytes and strings as they are, objects as a form or as JSON. */
export function toBody(data: RequestOptions["data"], contentType: string): Bytes | null {
  if (data === undefined) return null;
  if (isBytes(data)) return toBytes(data);
  if (typeof data === "string") return encodeText(data);
  return encodeText(contentType.toLowerCase().includes(FORM) ? pairs(data) : JSON.stringify(data));
}

/** As `responseType` and `dataType` ask for it. What is no JSON stays text. */
export function fromBody(body: Bytes, options: Pick<RequestOptions, "dataType" | "responseType">): unknown {
  if (options.responseType === "arraybuffer") return toBuffer(body);
  const text = decodeText(body);
  return (options.dataType ?? "json") === "json" ? parsed(text) : text;
}

/** An ArrayBuffer of these bytes alone. */
export function toBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

/** encodeURIComponent(k)=encodeURIComponent(v)&... */
function pairs(data: object): string {
  return Object.entries(data)
    .map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : String(value)])
    .map((pair) => pair.map(encodeURIComponent).join("="))
    .join("&");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** It may be of another realm, the platform's own. */
export function isBuffer(it: unknown): it is ArrayBuffer {
  return Object.prototype.toString.call(it) === "[object ArrayBuffer]";
}

function isBytes(data: string | object): data is ArrayBuffer | ArrayBufferView {
  return ArrayBuffer.isView(data) || isBuffer(data);
}

function toBytes(data: ArrayBuffer | ArrayBufferView): Bytes {
  if (!ArrayBuffer.isView(data)) return new Uint8Array(data).slice();
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
}
