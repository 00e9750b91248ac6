/** The inner referer is what the request's policy makes of a referrer that the call names, and otherwise none. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { refererOf } from "../../src/fetch/referrer.js";

const PAGE = "https://user:secret@shop.example.com/cart?item=tea#top";
const FULL = "https://shop.example.com/cart?item=tea";
const ORIGIN = "https://shop.example.com/";
const [SAME, CROSS, DOWN] = [
  "https://shop.example.com/a",
  "https://other.example.com/a",
  "http://other.example.com/a",
];

/** A double of the Request that a browser makes: Node has no referrers. */
function referer(referrerPolicy: ReferrerPolicy, url: string, referrer = PAGE): string | undefined {
  const request = new Request(url);
  Object.defineProperties(request, {
    referrer: { value: referrer },
    referrerPolicy: { value: referrerPolicy },
  });
  return refererOf(request, new URL(url));
}

for (const [policy, same, cross, down] of [
  ["", FULL, ORIGIN, undefined],
  ["strict-origin-when-cross-origin", FULL, ORIGIN, undefined],
  ["no-referrer", undefined, undefined, undefined],
  ["no-referrer-when-downgrade", FULL, FULL, undefined],
  ["origin", ORIGIN, ORIGIN, ORIGIN],
  ["origin-when-cross-origin", FULL, ORIGIN, ORIGIN],
  ["same-origin", FULL, undefined, undefined],
  ["strict-origin", ORIGIN, ORIGIN, undefined],
  ["unsafe-url", FULL, FULL, FULL],
] as const) {
  test(`policy "${policy}"`, () => {
    assert.deepEqual(
      [referer(policy, SAME), referer(policy, CROSS), referer(policy, DOWN)],
      [same, cross, down],
    );
  });
}

test("of a call that names none there is none", () => {
  assert.equal(referer("unsafe-url", SAME, "about:client"), undefined);
  assert.equal(referer("unsafe-url", SAME, ""), undefined);
});
