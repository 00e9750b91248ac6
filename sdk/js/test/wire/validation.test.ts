/** Why a request is refused: the reason names the rule and the header, and never a value. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { LinkError } from "../../src/errors.js";
import type { Field } from "../../src/wire/inner.js";
import { areTags, validateRequest } from "../../src/wire/validation.js";
import { REQUEST } from "./sealed.js";

const RULES = { linkPath: "/_link" };

function reason(headers: Field[]): string {
  try {
    validateRequest({ ...REQUEST, headers }, RULES);
  } catch (error) {
    assert.ok(error instanceof LinkError && error.code === "bad-request" && !error.outcomeUnknown);
    return error.reason;
  }
  assert.fail("not refused");
}

test("a reason names the header, and not its value", () => {
  const headers: Field[] = [
    ["authorization", "Bearer secret\n"],
    ["x_token", "secret"],
    ["X-Token", "secret"],
    ["proxy-authorization", "secret"],
    ["x-token", "secret\u4eac"],
  ];
  for (const header of headers) {
    const text = reason([header]);
    assert.ok(text.includes(header[0]), text);
    assert.ok(!text.includes("secret"), text);
  }
});

test("a single field twice", () => {
  const field: Field = ["authorization", "Bearer secret"];
  assert.equal(reason([field, field]), "header authorization twice");
});

test("a streamed body is counted by who sends it", () => {
  const request = { ...REQUEST, headers: [["content-length", "7"]] satisfies Field[] };
  assert.throws(() => validateRequest(request, RULES), { code: "bad-request" });
  assert.equal(validateRequest(request, { ...RULES, streamed: true }), "/orders");
});

test("an encoded slash goes where it may", () => {
  const request = { ...REQUEST, path: "/a%2fb?c" };
  assert.throws(() => validateRequest(request, RULES), { code: "bad-request" });
  assert.equal(validateRequest(request, { ...RULES, allowEncodedSlash: true }), "/a%2fb?c");
});

test("tags are counted in code points", () => {
  assert.ok(areTags({ city: "\u{1f308}".repeat(64) }));
  assert.ok(!areTags({ city: "\u{1f308}".repeat(65) }));
});
