/** How bytes travel: `fetch`, XMLHttpRequest and `wx.request` do it, and so can a test. */

/** What of an AbortSignal is leaned on, so that platforms without one can give their own. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

export interface OuterRequest {
  method: "GET" | "POST";
  url: string;
  headers: Record<string, string>;
  body?: Uint8Array | AsyncIterable<Uint8Array>;
  credentials: "include" | "omit";
  signal?: AbortSignalLike;
  /** Past HTTP caches. */
  fresh?: boolean;
  /** It may outlive the page. */
  keepalive?: boolean;
  /** Bytes of the outer body that have left. */
  onProgress?(sent: number, total?: number): void;
}

export interface OuterAnswer {
  status: number;
  /** By its name in lower case. */
  header(name: string): string | undefined;
  /** To be iterated over once. It throws when the connection breaks. */
  body: AsyncIterable<Uint8Array>;
  /** Read no more of it. */
  cancel(): void;
}

/**
 * Sends one outer request. It follows no redirect and sends no referer (protocol, sections 9 and 10).
 * A transport failure rejects with any error; what it means, the link decides.
 */
export interface Carrier {
  send(outer: OuterRequest): Promise<OuterAnswer>;
  readonly streamsRequests: boolean;
}
