/** The inner messages (protocol, section 7), as values. */

/** Name in lower case, value. Values are latin-1: a character is a byte. */
export type Field = [name: string, value: string];

export interface ClientInfo {
  sdk: string;
  platform: string;
  app?: string | undefined;
  installId?: string | undefined;
  tags?: Record<string, string> | undefined;
}

export interface InnerRequest {
  method: string;
  scheme: string;
  authority: string;
  path: string;
  headers: readonly Readonly<Field>[];
  body?: Uint8Array | undefined;
  /** Unix time, a whole number of milliseconds. */
  sentAtMs: number;
  /** 16 bytes. */
  exchangeId: Uint8Array;
  acceptStream?: boolean | undefined;
  /** 32 bytes. */
  cookieBinding?: Uint8Array | undefined;
  client?: ClientInfo | undefined;
}

export interface InnerResponse {
  status: number;
  headers: Field[];
  body: Uint8Array;
  trailers: Field[];
  /** Empty: none. */
  fault: string;
  gatewayTimeMs: number;
  directorySerial: number;
}

/** A piece of a body; trailers come with the final one alone. */
export interface Chunk {
  data: Uint8Array;
  trailers: Field[];
}
