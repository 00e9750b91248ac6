/**
 * A test double of the link: it seals and sends nothing. It reads each call as the link would, remembers it, and
 * gives the answer that a test has for it.
 */

import { fetchOver, type Fetch } from "../../src/fetch/exchange.js";
import type { Exchanger, Field, InnerAnswer, InnerCall } from "../../src/link/call.js";

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  /** Pieces, as they open. */
  body?: string | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;
}

/** A call, with its body as it was read. */
export interface Heard extends InnerCall {
  text: string;
}

export interface Scene {
  fetch: Fetch;
  heard: Heard[];
}

type Answering = (call: Heard, at: number) => Answer | Promise<Answer>;

/** `fetch` over a double. Without `answering` everything is 200, with no body. */
export function scene(answering: Answering = () => ({}), base?: string): Scene {
  const heard: Heard[] = [];
  const exchange = async (call: InnerCall): Promise<InnerAnswer> => {
    const now = { ...call, text: await textOf(call.body) };
    heard.push(now);
    return innerAnswer(await answering(now, heard.length - 1));
  };
  const link: Exchanger = { exchange, forget: () => Promise.resolve() };
  return { fetch: fetchOver(link, base), heard };
}

export function field(call: InnerCall | undefined, name: string): string | undefined {
  return call?.headers.find(([key]) => key === name)?.[1];
}

function innerAnswer({ status = 200, headers = {}, body = [] }: Answer): InnerAnswer {
  return {
    status,
    headers: Object.entries(headers) satisfies Field[],
    body: pieces(typeof body === "string" ? [body] : body),
    trailers: Promise.resolve([]),
    facts: { keyId: "00", repeated: false, elapsedMs: 0 },
  };
}

async function* pieces(
  body: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
): AsyncIterable<Uint8Array> {
  for await (const piece of body) yield typeof piece === "string" ? new TextEncoder().encode(piece) : piece;
}

async function textOf(body: InnerCall["body"]): Promise<string> {
  if (body === null) return "";
  if (body instanceof Uint8Array) return Buffer.from(body).toString("latin1");
  const all: Uint8Array[] = [];
  for await (const piece of body) all.push(piece);
  return Buffer.concat(all).toString("latin1");
}
