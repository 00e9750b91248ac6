/**
 * A double of the gateway, and of nothing else: keys, envelopes and directories are the protocol's own. It stands in
 * for Envoy and the processor, so that a test can say what the next answers are; real.test.ts has the real ones.
 */

import { concat, latin1 } from "../../src/bytes.js";
import type { Carrier, OuterAnswer, OuterRequest } from "../../src/link/carrier.js";
import { mediaForm } from "../../src/wire/media.js";
import type { Clock } from "./clock.js";
import { Root, gatewayKey, signDirectory, unseal } from "./unsealing.js";
import type { DirectoryFields, InnerRequest, Opened, PrivateKey, Reply } from "./unsealing.js";

export const LINK = "https://gw.example.com";
export const DAY = 86_400;

/** An outer request as it arrived: a stream with all of its bytes. */
export interface Arrived extends OuterRequest {
  readonly bytes: Uint8Array;
}

export type Script = (arrived: Arrived) => Promise<OuterAnswer>;

/** In an answer, the place where nothing more comes. */
export class Hang {
  reached: () => void = () => undefined;
  /** Once somebody waits there. */
  readonly isReached = new Promise<void>((resolve) => (this.reached = resolve));
}

export type Piece = Uint8Array | Error | Hang;

/** An answer; a piece of it that is an error breaks it off there. */
export function answer(
  status: number,
  contentType: string | undefined,
  ...pieces: readonly Piece[]
): OuterAnswer & { isCanceled: boolean } {
  const headers: Record<string, string | undefined> = { "content-type": contentType, "x-request-id": "id-1" };
  const made = {
    status,
    header: (name: string) => headers[name],
    body: following(pieces),
    isCanceled: false,
    cancel: () => {
      made.isCanceled = true;
    },
  };
  return made;
}

async function* following(pieces: readonly Piece[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    if (piece instanceof Error) throw piece;
    if (piece instanceof Uint8Array) yield piece;
    else await hung(piece);
  }
}

/** For ever. */
function hung({ reached }: Hang): Promise<never> {
  reached();
  return new Promise(() => undefined);
}

export function problem(code: string, status = 400): OuterAnswer {
  const body = latin1(`{"type":"urn:privatelink:problem:${code}"}`);
  return answer(status, "application/problem+json", body);
}

/** Answers at LINK. `posts` and `fetches` are what arrived, `opened` and `ran` what of it did so. */
export class Gateway implements Carrier {
  streamsRequests = true;
  readonly root = new Root();
  keys: PrivateKey[] = [];
  serial = 1;
  streamPath = "/_link/stream";
  /** Answers leave as streams. */
  streams = false;
  upstream: (inner: InnerRequest) => Reply = ({ body }) => ({ body });
  /** In the place of the next answers to POST, and to GET /_link/keys. */
  readonly script: Script[] = [];
  readonly directories: Script[] = [];
  readonly posts: Arrived[] = [];
  readonly fetches: Arrived[] = [];
  readonly opened: InnerRequest[] = [];
  readonly ran: InnerRequest[] = [];
  nowMs: () => number;
  readonly #start: number;
  readonly #seen = new Map<string, number>();
  readonly #arrivals: { method: OuterRequest["method"]; resolve: () => void }[] = [];

  constructor(clock: Clock) {
    this.nowMs = () => clock.ms;
    this.#start = clock.now;
  }

  static async at(clock: Clock): Promise<Gateway> {
    const gateway = new Gateway(clock);
    gateway.keys.push(await gatewayKey());
    return gateway;
  }

  /** Seven days of life, keys in the order of `keys`. */
  signed(changes: Partial<DirectoryFields> = {}, ...roots: Root[]): Promise<Uint8Array> {
    const start = this.#start;
    const dates = { notBefore: start - 9 * DAY, notAfter: start + 9 * DAY };
    const fields = {
      ...{ serial: this.serial, issuedAt: start, expiresAt: start + 7 * DAY },
      keys: this.keys.map((key) => ({ key, ...dates })),
      ...{ path: "/_link", streamPath: this.streamPath, maxRequestBytes: 65_536, links: [LINK] },
    };
    return signDirectory({ ...fields, ...changes }, roots.length > 0 ? roots : [this.root]);
  }

  /** Once the next POST has come, or the next GET of the directory. */
  arrival(method: OuterRequest["method"] = "POST"): Promise<void> {
    return new Promise((resolve) => this.#arrivals.push({ method, resolve }));
  }

  async send(outer: OuterRequest): Promise<OuterAnswer> {
    const arrived = { ...outer, bytes: await bytesOf(outer) };
    const isPost = outer.method === "POST";
    (isPost ? this.posts : this.fetches).push(arrived);
    for (const { method, resolve } of this.#arrivals) if (method === outer.method) resolve();
    const scripted = (isPost ? this.script : this.directories).shift();
    if (scripted) return scripted(arrived);
    return isPost ? this.answer(arrived) : this.directoryAnswer();
  }

  async directoryAnswer(): Promise<OuterAnswer> {
    return keysAnswer(await this.signed());
  }

  /** As a gateway in good health answers. */
  readonly answer: Script = async (arrived) => {
    const opened = await this.open(arrived);
    if (!opened) return problem("unknown-key");
    const fault = this.#refused(opened.inner);
    if (fault !== undefined) return this.sealed(opened, { status: 400, fault, gatewayTimeMs: this.nowMs() });
    this.ran.push(opened.inner);
    return this.sealed(opened, this.upstream(opened.inner));
  };

  /** Opens the request and refuses it, before anything is done with it. */
  refusing(fault: string, gatewayTimeMs = this.nowMs()): Script {
    return this.replying({ status: 400, fault, gatewayTimeMs });
  }

  replying(reply: Reply): Script {
    return async (arrived) => this.sealed(await this.openedBy(arrived), reply);
  }

  async openedBy(arrived: Arrived): Promise<Opened> {
    const opened = await this.open(arrived);
    if (!opened) throw new Error("a key that is not held");
    return opened;
  }

  async open({ url, headers, bytes }: Arrived): Promise<Opened | undefined> {
    const form = mediaForm(headers["content-type"]);
    const path = form === "whole" ? "/_link" : this.streamPath;
    if (!form || url !== LINK + path) throw new Error(`${String(form)} to ${url}`);
    const opened = await unseal(this.keys, form, bytes);
    if (opened) this.opened.push(opened.inner);
    return opened;
  }

  async sealed(opened: Opened, reply: Reply): Promise<OuterAnswer> {
    const stamped = { directorySerial: this.serial, ...reply };
    if (this.streams) {
      return answer(200, "application/privatelink-stream", ...(await opened.pieces(stamped)));
    }
    return answer(200, "application/privatelink", await opened.sealed(stamped));
  }

  #refused({ sentAtMs, exchangeId }: InnerRequest): string | undefined {
    const age = this.nowMs() - sentAtMs;
    if (age > 120_000 || age < -30_000) return "clock-skew";
    const id = exchangeId.join();
    if (this.nowMs() - (this.#seen.get(id) ?? -Infinity) < 300_000) return "replayed";
    this.#seen.set(id, this.nowMs());
    return undefined;
  }
}

export function keysAnswer(signed: Uint8Array): OuterAnswer {
  return answer(200, "application/privatelink-keys", signed);
}

async function bytesOf({ body = new Uint8Array() }: OuterRequest): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return concat(...pieces);
}
