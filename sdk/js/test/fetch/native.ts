/**
 * The harness of the differential tests: each case runs through the platform's own `fetch`, straight at a server, and
 * through the link's, by way of a double (upstream.ts), and has to come to the same.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fetchOver } from "../../src/fetch/exchange.js";
import type { LinkRequestInit } from "../../src/fetch/asked.js";
import { Upstream, compared, plainLink, type Wanted } from "./upstream.js";

export type Fetch = (input: RequestInfo | URL, init?: LinkRequestInit) => Promise<Response>;
type Case = (fetch: Fetch) => Promise<unknown>;

/** Of two origins. */
export let here: Upstream;
export let there: Upstream;

before(async () => {
  [here, there] = await Promise.all([Upstream.listen(), Upstream.listen()]);
});
after(() => {
  here.close();
  there.close();
});

/** All that can be seen of a response, but for its type after a redirect: Node has no origin to judge it by. */
export async function look(response: Response): Promise<unknown> {
  const { status, ok, url, redirected, headers, body } = response;
  const isNull = body === null;
  const text = await response.text().catch(named);
  return { status, ok, url, redirected, headers: compared(headers), isNull, text, used: response.bodyUsed };
}

export function named(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return [error instanceof TypeError ? "TypeError" : error.name, error instanceof DOMException];
}

/** Every form has a boundary of its own. */
function unbound(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replaceAll(/formdata-undici-\d+/g, "boundary"));
}

async function observed(fetch: Fetch, run: Case): Promise<unknown> {
  here.seen.length = there.seen.length = 0;
  const result = await run(fetch).catch(named);
  return [result === undefined ? "undefined" : result, here.seen, there.seen].map(unbound);
}

export function same(name: string, run: Case): void {
  test(name, async () => {
    assert.deepEqual(await observed(fetchOver(plainLink), run), await observed(globalThis.fetch, run));
  });
}

/** Looks at the answer to one request. */
export function alike(
  name: string,
  input: () => RequestInfo | URL,
  init: () => LinkRequestInit = () => ({}),
): void {
  same(name, async (fetch) => look(await fetch(input(), init())));
}

/** The URL of an answer. */
export const answering =
  (wanted: Wanted): (() => string) =>
  () =>
    here.query({ body: "tea", ...wanted });
export const at = () => `${here.origin}/a?b#c`;
