/**
 * A real HTTP/1.1 server that answers what a path asks for, and remembers what it got; and a test double of the link
 * that takes inner exchanges to it over plain HTTP: it seals nothing.
 */

import { createServer, request as httpRequest } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { Exchanger, Field, InnerAnswer, InnerCall } from "../../src/link/call.js";
import { authorityOf, listen } from "../listening.js";

/** What an answer is to be, as `query` puts it into a URL. */
export interface Wanted {
  status?: number;
  headers?: Record<string, string | string[]>;
  /** In latin-1. */
  body?: string;
}

/** Of what each client adds of its own, and of one connection. */
const NOT_COMPARED =
  /^(?:host|connection|keep-alive|transfer-encoding|date|user-agent|accept-language|accept-encoding|sec-fetch-mode)$/;

export class Upstream {
  /** Requests, as they came: the line, the fields that are compared, and the body in latin-1. */
  readonly seen: unknown[][] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((incoming, outgoing) => {
      void this.#serve(incoming, outgoing);
    });
  }

  static async listen(): Promise<Upstream> {
    const upstream = new Upstream();
    await listen(upstream.#server);
    return upstream;
  }

  get origin(): string {
    return `http://${authorityOf(this.#server)}`;
  }

  /** A URL that is answered so. */
  query(wanted: Wanted): string {
    return `${this.origin}/?${new URLSearchParams({ wanted: JSON.stringify(wanted) }).toString()}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method, url = "/" } = incoming;
    const body = await buffer(incoming).catch(() => Buffer.of());
    this.seen.push([method, url, compared(fields(incoming)), body.toString("latin1")]);
    const { pathname, searchParams } = new URL(url, this.origin);
    if (pathname === "/never") return;
    if (pathname === "/begin") return void outgoing.writeHead(200).write("be");
    const turns = Number(/^\/turns\/(\d+)$/.exec(pathname)?.[1] ?? 0);
    const turning: Wanted = { status: 302, headers: { location: `/turns/${turns - 1}` } };
    const wanted = turns > 0 ? turning : (JSON.parse(searchParams.get("wanted") ?? "{}") as Wanted);
    outgoing.writeHead(wanted.status ?? 200, wanted.headers);
    outgoing.end(method === "HEAD" ? undefined : Buffer.from(wanted.body ?? "", "latin1"));
  }
}

function fields({ rawHeaders }: IncomingMessage): Field[] {
  return rawHeaders.flatMap((name, at): Field[] =>
    at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1] ?? ""]] : [],
  );
}

export function compared(all: Iterable<Field>): Field[] {
  return [...all].filter(([name]) => !NOT_COMPARED.test(name)).sort();
}

export const plainLink: Exchanger = {
  forget: () => Promise.resolve(),
  exchange: (call) =>
    new Promise((resolve, reject) => {
      const headers = [["host", call.authority], ...call.headers].flat();
      const { method, path } = call;
      const outgoing = httpRequest(`${call.scheme}://${call.authority}`, { method, path, headers });
      outgoing.on("error", reject);
      outgoing.on("response", (incoming) => {
        resolve(answerOf(incoming));
      });
      const abort = (): void => void outgoing.destroy();
      call.signal?.addEventListener("abort", abort);
      outgoing.on("close", () => call.signal?.removeEventListener("abort", abort));
      pipeline(Readable.from(bodyOf(call)), outgoing).catch(reject);
    }),
};

async function* bodyOf({ body }: InnerCall): AsyncIterable<Uint8Array> {
  if (body instanceof Uint8Array) yield await Promise.resolve(body);
  else yield* body ?? [];
}

function answerOf(incoming: IncomingMessage): InnerAnswer {
  const hops = /^(?:connection|keep-alive|transfer-encoding)$/;
  return {
    status: incoming.statusCode ?? 0,
    headers: fields(incoming).filter(([name]) => !hops.test(name)),
    body: incoming,
    trailers: Promise.resolve([]),
    facts: { keyId: "00", repeated: false, elapsedMs: 0 },
  };
}
