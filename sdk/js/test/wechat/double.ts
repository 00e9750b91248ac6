/**
 * A test double of WeChat's `wx`: no mini program can run here, so it does as the platform documents of itself, over
 * real sockets.
 *
 * - https://developers.weixin.qq.com/miniprogram/dev/api/network/request/wx.request.html
 * - https://developers.weixin.qq.com/miniprogram/dev/framework/ability/network.html
 * - https://developers.weixin.qq.com/miniprogram/dev/api/storage/wx.setStorageSync.html
 *
 * Names of an answer's headers are in lower case, lines of `set-cookie` are joined by commas and in `cookies`, bodies are
 * ArrayBuffers where they are asked for; nothing keeps cookies; `Referer` is the platform's own; with `enableChunked` the
 * pieces are in the callbacks alone; what a `redirect: "manual"` stops ends with its head.
 */

import http from "node:http";
import https from "node:https";
import { types } from "node:util";
import type { ChunkReceived, HeadersReceived, RequestOptions, RequestTask, Wx } from "../../src/wechat/wx.js";

/** What left the device, and what came to it. */
export interface Seen {
  url: string;
  method: string;
  header: http.OutgoingHttpHeaders;
  body: Buffer;
  answer: Buffer;
}

export interface Quirks {
  /** PEM; the platform trusts the system's authorities alone. */
  ca?: string | undefined;
  /** Base libraries before 2.20.1 have no `onChunkReceived`. */
  withoutChunks?: boolean;
  /** The developer tools give no status before the end. */
  withoutStatus?: boolean;
  /** Some devices show names as the server has sent them. */
  withNamesAsSent?: boolean;
  /** Base libraries before 2.15.0 have no `getRandomValues`. */
  withoutRandom?: boolean;
}

const REFERER = "https://servicewechat.com/wx0123456789abcdef/7/page-frame.html";
const MIB = 2 ** 20;

export interface Double {
  wx: Wx;
  seen: Seen[];
  /** As on the device. */
  storage: Map<string, string>;
}

export function doubleOfWx(quirks: Quirks = {}, storage = new Map<string, string>()): Double {
  const seen: Seen[] = [];
  const wx: Wx = {
    request: (options) => new Exchange(options, quirks, seen).task,
    getRandomValues: (options) => {
      const { buffer: randomValues } = crypto.getRandomValues(new Uint8Array(options.length));
      setTimeout(() => options.success?.({ randomValues }));
    },
    getStorageSync: (key) => storage.get(key) ?? "",
    setStorageSync: (key, data) => {
      if (data.length > MIB) throw new Error("setStorageSync:fail entry size limit reached");
      storage.set(key, data);
    },
    removeStorageSync: (key) => {
      storage.delete(key);
    },
  };
  Object.defineProperty(wx, "request", { writable: false }); // as the platform's own
  if (quirks.withoutRandom) Reflect.deleteProperty(wx, "getRandomValues");
  return { wx, seen, storage };
}

class Exchange {
  readonly task: RequestTask;
  readonly #options: RequestOptions;
  readonly #quirks: Quirks;
  readonly #seen: Seen;
  readonly #heads = new Set<(head: HeadersReceived) => void>();
  readonly #chunks = new Set<(chunk: ChunkReceived) => void>();
  #request: http.ClientRequest | undefined;
  #isOver = false;

  constructor(options: RequestOptions, quirks: Quirks, all: Seen[]) {
    this.#options = options;
    this.#quirks = quirks;
    const method = options.method ?? "GET";
    const header = { "content-type": "application/json", ...lowered(options.header), referer: REFERER };
    const { url, body } = encoded(options, method, header["content-type"]);
    this.#seen = { url, method, header, body, answer: Buffer.alloc(0) };
    all.push(this.#seen);
    this.task = this.#asTask();
    const timer = setTimeout(() => {
      this.#fail("timeout", 5);
    }, options.timeout ?? 60_000);
    this.#finally = () => {
      clearTimeout(timer);
    };
    this.#send(url, 0);
  }

  readonly #finally: () => void;

  #asTask(): RequestTask {
    const task: RequestTask = {
      abort: () => {
        this.#fail("abort", 600003);
      },
      onHeadersReceived: (listener) => this.#heads.add(listener),
      offHeadersReceived: (listener) => {
        if (listener) this.#heads.delete(listener);
        else this.#heads.clear();
      },
      onChunkReceived: (listener) => this.#chunks.add(listener),
      offChunkReceived: (listener) => {
        if (listener) this.#chunks.delete(listener);
        else this.#chunks.clear();
      },
    };
    if (this.#quirks.withoutChunks) Reflect.deleteProperty(task, "onChunkReceived");
    return task;
  }

  #send(url: string, redirects: number): void {
    const { method, header, body } = this.#seen;
    const client = url.startsWith("https:") ? https : http;
    const headers = { ...header, "user-agent": "MicroMessenger/8.0.50 (double)" };
    const options = { method, headers, ca: this.#quirks.ca, agent: false };
    this.#request = client.request(url, options, (answer) => {
      const status = answer.statusCode ?? 0;
      const location = answer.headers.location;
      const isRedirect = status >= 300 && status < 400 && location !== undefined;
      if (isRedirect && this.#options.redirect !== "manual" && redirects < 20) {
        answer.resume();
        this.#send(new URL(location, url).href, redirects + 1);
      } else this.#receive(answer, isRedirect);
    });
    this.#request.on("error", (error) => {
      this.#fail(error.message, 600001);
    });
    this.#request.end(body);
  }

  #receive(answer: http.IncomingMessage, isRedirect: boolean): void {
    const head = headOf(answer, this.#quirks);
    const shown = { ...head };
    if (this.#quirks.withoutStatus) Reflect.deleteProperty(shown, "statusCode");
    for (const listener of this.#heads) listener(shown);
    const pieces: Buffer[] = [];
    const isChunked = this.#options.enableChunked && !this.#quirks.withoutChunks;
    answer.on("data", (piece: Buffer) => {
      pieces.push(piece);
      if (isChunked && !this.#isOver) for (const listener of this.#chunks) listener({ data: buffer(piece) });
    });
    answer.on("error", (error) => {
      this.#fail(error.message, 600003);
    });
    answer.on("end", () => {
      this.#seen.answer = Buffer.concat(pieces);
      if (isRedirect) this.#over();
      else this.#succeed(head, isChunked ? Buffer.alloc(0) : this.#seen.answer);
    });
  }

  #succeed(head: HeadersReceived, body: Buffer): void {
    if (this.#over()) return;
    const result = { ...head, data: decoded(body, this.#options), errMsg: "request:ok" };
    this.#options.success?.(result);
    this.#options.complete?.(result);
  }

  #fail(reason: string, errno: number): void {
    if (this.#over()) return;
    this.#request?.destroy();
    const failure = { errMsg: `request:fail ${reason}`, errno };
    setTimeout(() => {
      this.#options.fail?.(failure);
      this.#options.complete?.(failure);
    });
  }

  /** Whether it was before. */
  #over(): boolean {
    const wasOver = this.#isOver;
    this.#isOver = true;
    this.#finally();
    return wasOver;
  }
}

function lowered(header: object | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(header ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
}

/** The rules for `data`: a string in the end, unless it is an ArrayBuffer. */
function encoded(
  options: RequestOptions,
  method: string,
  contentType: string,
): { url: string; body: Buffer } {
  const { url, data } = options;
  if (data === undefined) return { url, body: Buffer.alloc(0) };
  if (types.isAnyArrayBuffer(data)) return { url, body: Buffer.from(data) };
  const query = typeof data === "string" ? data : String(new URLSearchParams(Object.entries(data)));
  if (method === "GET") return { url: `${url}?${query}`, body: Buffer.alloc(0) };
  const isForm = contentType === "application/x-www-form-urlencoded";
  const text = typeof data === "string" ? data : isForm ? query : JSON.stringify(data);
  return { url, body: Buffer.from(text) };
}

function decoded(body: Buffer, { dataType = "json", responseType = "text" }: RequestOptions): unknown {
  if (responseType === "arraybuffer") return buffer(body);
  const text = new TextDecoder().decode(body);
  try {
    return dataType === "json" ? (JSON.parse(text) as unknown) : text;
  } catch {
    return text;
  }
}

function headOf(answer: http.IncomingMessage, quirks: Quirks): HeadersReceived {
  const header: Record<string, string> = {};
  const cookies: string[] = [];
  for (let at = 0; at + 1 < answer.rawHeaders.length; at += 2) {
    const [sent = "", value = ""] = answer.rawHeaders.slice(at, at + 2);
    const name = quirks.withNamesAsSent ? sent : sent.toLowerCase();
    header[name] = header[name] === undefined ? value : `${header[name]},${value}`;
    if (sent.toLowerCase() === "set-cookie") cookies.push(value);
  }
  return { header, cookies, statusCode: answer.statusCode ?? 0 };
}

function buffer(piece: Buffer): ArrayBuffer {
  return Uint8Array.from(piece).buffer;
}
