/** Redirects of a mini program's request, over a test double of the link that gives the answers of a test. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { LinkError } from "../../src/errors.js";
import type { Exchanger, InnerAnswer, InnerCall } from "../../src/link/call.js";
import { exchangeFollowing } from "../../src/wechat/redirects.js";

const CALL: InnerCall = {
  ...{ method: "POST", scheme: "https", authority: "shop.example.com", path: "/orders" },
  ...{ headers: [["authorization", "Bearer s3cret"]], body: Uint8Array.of(1), credentials: "include" },
};

function link(...answers: (LinkError | [status: number, location: string])[]): {
  link: Exchanger;
  calls: InnerCall[];
} {
  const calls: InnerCall[] = [];
  const exchange = (call: InnerCall): Promise<InnerAnswer> => {
    calls.push(call);
    const next = answers.shift() ?? [200, ""];
    return next instanceof LinkError ? Promise.reject(next) : Promise.resolve(answered(...next));
  };
  return { link: { exchange, forget: () => Promise.resolve() }, calls };
}

function answered(status: number, location: string): InnerAnswer {
  return {
    ...{ status, headers: [["location", location]], body: nothing(), trailers: Promise.resolve([]) },
    facts: { keyId: "00", repeated: false, elapsedMs: 0 },
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // no body
}

test("what a redirected request fails with does not deny that it has run", async () => {
  const refusal = new LinkError("not-permitted", "refused", { fault: "not-permitted", requestId: "7" });
  const directory = new LinkError("directory-expired", "it has expired", { cause: "the clock" });
  for (const failure of [refusal, directory]) {
    const following = exchangeFollowing(link([303, "/orders/1"], failure).link, CALL);
    const { code, fault, requestId, cause } = failure;
    await assert.rejects(following, { code, fault, requestId, cause, outcomeUnknown: true });
    assert.equal(failure.outcomeUnknown, false, "others may have been given it, too");
    await assert.rejects(exchangeFollowing(link(failure).link, CALL), { code, outcomeUnknown: false });
  }
});

test("credentials stay with their origin, by its scheme as well", async () => {
  for (const [location, isKept] of [
    ["/there", true],
    ["//SHOP.example.com:443/there", true],
    ["http://shop.example.com/there", false],
    ["https://shop.example.com:8443/there", false],
    ["https://shop.example.com.evil.example/there", false],
  ] as const) {
    const { link: over, calls } = link([307, location]);
    await exchangeFollowing(over, CALL);
    assert.equal(calls[1]?.headers.length, isKept ? 1 : 0, location);
  }
});

test("a location that leads nowhere is no redirect", async () => {
  for (const location of [
    "https://ada@evil.example/",
    "javascript:alert(1)",
    "https:evil.example",
    "http://",
  ]) {
    const { link: over, calls } = link([302, location]);
    assert.equal((await exchangeFollowing(over, CALL)).status, 302, location);
    assert.equal(calls.length, 1);
  }
});
