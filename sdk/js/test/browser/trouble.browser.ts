/**
 * Who stands in the middle, with a certificate that the browser trusts.
 *
 * Invariant: each thing that he does has a code of its own, gives no answer, or the beginning of one that ends in an
 * error, and leads to no request outside the seal.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { buffer } from "node:stream/consumers";

import type { Page } from "playwright-core";

import { head, Rogue, type Script } from "./rogue.js";
import { Stage, type Scene } from "./stage.js";

let stage: Stage;
let scene: Scene;
let rogue: Rogue;

before(async () => {
  rogue = await Rogue.listening();
  stage = await Stage.raise("--link", rogue.origin);
  scene = stage.scene;
  rogue.stand(scene);
});
after(async () => {
  await stage.close();
  rogue.close();
});
afterEach(() => {
  for (const { method, path, headers, body } of rogue.seen) {
    assert.match(`${method} ${path}`, /^(GET \/_link\/keys|POST \/_link(\/stream)?)$/);
    if (method === "POST")
      assert.match(headers["content-type"] ?? "", /^application\/privatelink(-stream)?$/);
    for (const word of ["cocoa", "quantity", "export.csv"]) assert.ok(!body.includes(word));
  }
  rogue.behave();
});

interface Outcome {
  code: string;
  isTypeError?: boolean;
  outcomeUnknown?: boolean;
  /** What of a body was delivered before. */
  delivered?: number;
}

const ORDER = JSON.stringify({ item: "cocoa", quantity: 2 });

/** What comes of a request by way of the rogue. */
function ask(page: Page, path: string, body: string | null = null): Promise<Outcome> {
  return page.evaluate(
    async ([url, body]): Promise<Outcome> => {
      let delivered = 0;
      try {
        const response = await linkFetch(url, { method: body === null ? "GET" : "POST", body });
        for await (const piece of response.body ?? []) delivered += piece.length;
        return { code: "answered", delivered };
      } catch (error) {
        if (!(error instanceof sdk.LinkError)) return { code: String(error) };
        const { code, outcomeUnknown } = error;
        return { code, outcomeUnknown, isTypeError: error instanceof TypeError, delivered };
      }
    },
    [`${scene.shop}${path}`, body] as const,
  );
}

const order = async (): Promise<Outcome> =>
  ask(await stage.page(scene.page, "/", rogue.origin), "/orders", ORDER);
const lost = (code: string): Outcome => ({ code, isTypeError: true, outcomeUnknown: true, delivered: 0 });

/** An answer of his own. */
function says(status: number, mediaType: string, body: string | Buffer): Script {
  return (reply) => {
    reply.writeHead(status, { "content-type": mediaType }).end(body);
  };
}

/** The gateway's answer, changed. */
function changed(change: (body: Buffer) => Buffer): Script {
  return async (reply, pass) => {
    const answer = await pass();
    head(reply, answer);
    reply.end(change(await buffer(answer)));
  };
}

const nothing: Script = (reply) => {
  reply.destroy();
};

const PAGE = "<!doctype html><title>Welcome to the airport</title>";

test("as long as he passes everything on, nothing is wrong", async () => {
  assert.equal((await order()).code, "answered");
  assert.deepEqual(
    rogue.seen.map(({ method }) => method),
    ["GET", "POST"],
  );
});

const DIRECTORIES = {
  unsigned: "directory-unsigned",
  expired: "directory-expired",
  other_root: "directory-untrusted",
  other_link: "directory-other-link",
};
for (const [name, code] of Object.entries(DIRECTORIES)) {
  test(`a directory: ${name}`, async () => {
    rogue.keys = says(200, "application/privatelink-keys", readFileSync(scene.directories[name] ?? ""));
    assert.deepEqual(await order(), { ...lost(code), outcomeUnknown: false });
    assert.ok(rogue.seen.every(({ method }) => method === "GET"));
  });
}

test("a directory that is rolled back, after a reload", async () => {
  const page = await stage.page(scene.page, "/", rogue.origin);
  rogue.keys = says(200, "application/privatelink-keys", readFileSync(scene.directories["brief"] ?? ""));
  assert.equal((await ask(page, "/orders", ORDER)).code, "answered");
  // Two minutes on it has expired, and the page has to ask again.
  await page.addInitScript("const { now } = Date; Date.now = () => now() + 120_000;");
  await stage.visit(page, `${scene.page}/`, rogue.origin);
  rogue.keys = says(
    200,
    "application/privatelink-keys",
    readFileSync(scene.directories["rolled_back"] ?? ""),
  );
  assert.deepEqual(await ask(page, "/orders", ORDER), {
    ...lost("directory-rolled-back"),
    outcomeUnknown: false,
  });
});

const NO_DIRECTORIES: Record<string, [Script, string]> = {
  HTML: [says(200, "text/html", PAGE), "not-sealed"],
  "500": [says(500, "text/plain", "no"), "gateway"],
  nothing: [nothing, "network"],
  "half of one": [changed((body) => body.subarray(0, body.length / 2)), "directory"],
};
for (const [name, [script, code]] of Object.entries(NO_DIRECTORIES)) {
  test(`in place of a directory: ${name}`, async () => {
    rogue.keys = script;
    assert.deepEqual(await order(), { ...lost(code), outcomeUnknown: false });
    assert.ok(rogue.seen.every(({ method }) => method === "GET"));
  });
}

const ANSWERS: Record<string, [Script, string]> = {
  HTML: [says(200, "text/html", PAGE), "not-sealed"],
  "500": [says(500, "text/html", PAGE), "gateway"],
  "an unknown problem": [
    says(400, "application/problem+json", '{"type": "urn:privatelink:problem:news"}'),
    "gateway",
  ],
  "bad-envelope": [
    says(400, "application/problem+json", '{"type": "urn:privatelink:problem:bad-envelope"}'),
    "bad-envelope",
  ],
  nothing: [nothing, "network"],
  "an empty one": [changed(() => Buffer.of()), "bad-response"],
  "a byte too few": [changed((body) => body.subarray(0, -1)), "bad-response"],
  "a byte too many": [changed((body) => Buffer.concat([body, Buffer.of(0)])), "bad-response"],
  "a flipped bit": [
    changed((body) => Buffer.concat([body.subarray(0, -1), Buffer.of((body.at(-1) ?? 0) ^ 1)])),
    "bad-response",
  ],
  "what another request got": [
    async (reply, pass, asked) => {
      const first = await pass();
      await buffer(first);
      head(reply, first);
      reply.end(asked.body.subarray(0, 200));
    },
    "bad-response",
  ],
};
for (const [name, [script, code]] of Object.entries(ANSWERS)) {
  test(`in place of an answer: ${name}`, async () => {
    rogue.exchange = script;
    assert.deepEqual(await order(), lost(code));
    // Chromium itself sends a request again when a connection that it has used before gives nothing.
    const envelopes = rogue.seen
      .filter(({ method }) => method === "POST")
      .map(({ body }) => body.toString("hex"));
    assert.equal(new Set(envelopes).size, 1);
  });
}

test("the same envelope twice: the second answer says that it was", async () => {
  rogue.exchange = async (reply, pass) => {
    await buffer(await pass());
    const second = await pass();
    head(reply, second);
    second.pipe(reply);
  };
  assert.deepEqual(await order(), lost("replayed"));
});

const CUTS: Record<string, (stream: Buffer) => Buffer> = {
  "between two segments": (stream) => stream.subarray(0, segments(stream)[20]),
  "within a segment": (stream) => stream.subarray(0, (segments(stream)[20] ?? 0) + 1000),
  "before its final segment": (stream) => stream.subarray(0, segments(stream).at(-2)),
};
for (const [name, cut] of Object.entries(CUTS)) {
  test(`a streamed answer that ends ${name}`, async () => {
    rogue.exchange = changed(cut);
    const outcome = await ask(await stage.page(scene.page, "/", rogue.origin), "/export.csv");
    assert.deepEqual([outcome.code, outcome.outcomeUnknown], ["truncated", true]);
    assert.ok((outcome.delivered ?? 0) > 0);
  });
}

test("a streamed answer whose connection breaks", async () => {
  rogue.exchange = async (reply, pass) => {
    const answer = await pass();
    head(reply, answer);
    for await (const piece of answer as AsyncIterable<Buffer>) {
      reply.write(piece);
      if ((reply.socket?.bytesWritten ?? 0) > 1_000_000) reply.destroy();
      if (reply.destroyed) break;
    }
  };
  const outcome = await ask(await stage.page(scene.page, "/", rogue.origin), "/export.csv");
  assert.deepEqual([outcome.code, outcome.outcomeUnknown], ["truncated", true]);
});

/** Where each segment of a streamed message ends (protocol, section 6). */
function segments(stream: Buffer): number[] {
  const long = (stream[0] ?? 0) >= 0x80;
  let at = long ? 2 + ((stream[0] ?? 0) & 0x7f) + (stream[1] ?? 0) * 0x80 : 1 + (stream[0] ?? 0);
  const ends: number[] = [];
  while (at < stream.length) {
    at += 4 + (stream.readUInt32BE(at) & 0x7fffffff);
    ends.push(at);
  }
  return ends;
}
