/**
 * What of WeChat's `wx` is used here, as the platform documents it. It is a structural type, which that of
 * miniprogram-api-typings fits. Callbacks are methods for the sake of that.
 */

export interface Wx {
  request(options: RequestOptions): RequestTask;
  /** Missing before base library 2.15.0. */
  getRandomValues?(options: {
    length: number;
    success?(result: { randomValues: ArrayBuffer }): void;
    fail?(failure: { errMsg: string }): void;
  }): unknown;
  getStorageSync(key: string): unknown;
  setStorageSync(key: string, data: string): void;
  removeStorageSync(key: string): void;
}

export interface RequestOptions {
  url: string;
  /** By method and content type: a query, JSON, a form, or as it is. */
  data?: string | object | ArrayBuffer;
  header?: object;
  /** Milliseconds; 60,000 by default. */
  timeout?: number;
  method?: string;
  /** "json" (default): text is parsed if it can be. */
  dataType?: string;
  /** "text" (default) or "arraybuffer". */
  responseType?: string;
  /** Pieces go to `onChunkReceived` as they come. */
  enableChunked?: boolean;
  /** "follow" (default) or "manual". */
  redirect?: string;
  success?(result: RequestResult): void;
  fail?(failure: LinkFailure): void;
  complete?(outcome: RequestResult | LinkFailure): void;
}

export interface HeadersReceived {
  header: object;
  statusCode: number;
  /** One `set-cookie` line each. */
  cookies: string[];
}

export interface RequestResult extends HeadersReceived {
  /** A string, an ArrayBuffer, or what the JSON has told. */
  data: unknown;
  errMsg: string;
}

export interface RequestFailure {
  errMsg: string;
  errno: number;
}

/** What `fail` gets over the link. With the platform's own types, say it in the handler: `fail: (failure: LinkFailure) => ...`. */
export interface LinkFailure extends RequestFailure {
  /** Of the LinkError; undefined: of something else. */
  code?: string;
  /** The gateway's sealed refusal. */
  fault?: string;
  /** Whether the request may have run, or may yet. It is always there. */
  outcomeUnknown?: boolean;
  requestId?: string;
}

export interface ChunkReceived {
  data: ArrayBuffer;
}

export interface RequestTask {
  abort(): void;
  onHeadersReceived(listener: (head: HeadersReceived) => void): void;
  /** Without a listener: all of them. */
  offHeadersReceived(listener?: (head: HeadersReceived) => void): void;
  onChunkReceived(listener: (chunk: ChunkReceived) => void): void;
  offChunkReceived(listener?: (chunk: ChunkReceived) => void): void;
}
