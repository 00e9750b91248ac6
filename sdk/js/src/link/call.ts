/** One inner exchange, as what stands above the link asks for it and gets it. */

import type { Field } from "../wire/inner.js";
import type { AbortSignalLike } from "./carrier.js";

export type { Field };

export interface InnerCall {
  method: string;
  scheme: "http" | "https";
  /** Host, or host:port. */
  authority: string;
  /** Origin form, with the query. */
  path: string;
  headers: Field[];
  body: Uint8Array | AsyncIterable<Uint8Array> | null;
  /** The body's length, where it is known. */
  length?: number;
  /** The caller says that it is safe to repeat (section 8). */
  repeatable?: boolean;
  /** Whether cookies go along. */
  credentials: "include" | "omit";
  signal?: AbortSignalLike;
  /** In the place of the link's own; 0: it may be silent for ever, as an event stream may. */
  timeoutMs?: number;
  /** May outlive the page (whole requests). */
  keepalive?: boolean;
  /** Bytes of the body that have been taken, or have left where the platform tells. */
  onProgress?(sent: number, total?: number): void;
}

export interface InnerAnswer {
  status: number;
  headers: Field[];
  /** As it opens. When the answer is cut it throws LinkError("truncated"), and never ends well. */
  body: AsyncIterable<Uint8Array>;
  /** Settles with the body: fields of the final segment. */
  trailers: Promise<Field[]>;
  facts: Facts;
}

export interface Facts {
  /** Of the gateway key, in hexadecimal. */
  keyId: string;
  /** The exchange in the gateway's access log. */
  requestId?: string;
  repeated: boolean;
  elapsedMs: number;
}

/** What `Link` is to those above it. */
export interface Exchanger {
  exchange(call: InnerCall): Promise<InnerAnswer>;
  /** Clear what is stored and the cookie binding, at logout. */
  forget(): Promise<void>;
}
