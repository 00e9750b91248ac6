/** What platforms have in common. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { timer } from "../../src/link/platform.js";

test("a timer for longer than setTimeout can wait is not over at once", () => {
  const started = mock.method(globalThis, "setTimeout");
  for (const milliseconds of [5000, 2 ** 31, Infinity]) timer(milliseconds, () => undefined)();
  started.mock.restore();
  assert.deepEqual(
    started.mock.calls.map(({ arguments: [, milliseconds] }) => milliseconds),
    [5000, 2 ** 31 - 1, 2 ** 31 - 1],
  );
});
