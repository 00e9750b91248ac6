/**
 * A link to the real gateway, over `fetch` as Node has it.
 *
 * Invariant: as with the double; and what the client tells can be found in Envoy's access log.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { fromUtf8, utf8 } from "../../src/bytes.js";
import { browserPlatform } from "../../src/fetch/platform.js";
import type { InnerCall } from "../../src/link/call.js";
import type { ExchangeEvent } from "../../src/link/events.js";
import { Link } from "../../src/link/link.js";
import type { LinkOptions } from "../../src/link/options.js";
import { memoryStore } from "../../src/link/store.js";
import { Middleman, accessLog, busy, quiet, startScene } from "../gateway.js";
import type { Interference, Scene } from "../gateway.js";
import { bytes, call as callOf, failure, rejection, text } from "./calls.js";

let scene: Scene;
let middleman: Middleman;
const events: ExchangeEvent[] = [];

before(async () => {
  middleman = await Middleman.listen();
  scene = await startScene("--plain", "--link", middleman.origin);
  middleman.before(scene);
});

after(async () => {
  middleman.close();
  await scene.stop();
});

/** By way of the middleman, or straight. */
function linked({ gateway = middleman.origin, ...options }: Partial<LinkOptions> = {}): Link {
  const onExchange = (event: ExchangeEvent): void => void events.push(event);
  const roots = options.keys ? [] : scene.roots;
  return new Link({ gateway, roots, onExchange, onWarning: () => undefined, ...options }, browserPlatform());
}

function call(method: string, path: string, changes: Partial<InnerCall> = {}): InnerCall {
  return callOf(method, { authority: "upstream.example.com", path, ...changes });
}

const shop = (method: string, path: string, changes: Partial<InnerCall> = {}): InnerCall =>
  callOf(method, { authority: "shop.example.com", path, ...changes });

test("a request, its answer, and its line in Envoy's log", async () => {
  const link = linked({ gateway: scene.gateway, client: { app: "shop/2" } });
  const answer = await link.exchange(call("PUT", "/echo?a=b", { headers: [["x-mine", "1"]] }));
  const seen = JSON.parse(await text(answer)) as Record<string, unknown>;
  assert.deepEqual([seen["method"], seen["target"], seen["body"]], ["PUT", "/echo?a=b", "tea"]);
  assert.ok((seen["headers"] as string[][]).some(([name, value]) => name === "x-mine" && value === "1"));
  const event = events.at(-1);
  assert.ok(event?.requestId);
  const line = await accessLog(scene, event.requestId);
  assert.deepEqual([line["status"], line["inner_status"], line["key_id"]], [200, "200", event.keyId]);
  assert.deepEqual([line["sdk"], line["platform"], line["app"]], ["js/1.0.0", "node", "shop/2"]);
  assert.equal(answer.facts.requestId, event.requestId);
  assert.ok(
    event.timings.directory > 0 && event.timings.wait > 0 && event.timings.total >= event.timings.wait,
  );
});

test("several at once share one fetch of the directory and one secret", async () => {
  const link = linked();
  const fetches: string[] = [];
  middleman.gets.push((outgoing, incoming) => {
    fetches.push(incoming.url ?? "");
    outgoing.writeHead(200, { "content-type": "application/privatelink-keys" });
    outgoing.end(readFileSync(scene.directories["good"] ?? ""));
  });
  const statuses = [200, 404, 500, 204];
  const answers = await Promise.all(
    statuses.map((status) => link.exchange(call("GET", `/status/${status}`))),
  );
  assert.deepEqual(
    answers.map(({ status }) => status),
    statuses,
  );
  assert.deepEqual(fetches, ["/_link/keys"]);
  const secrets = middleman.envelopes.slice(-4).map(({ body }) => body.subarray(0, 1100).toString());
  assert.equal(new Set(secrets).size, 1);
});

test("a long answer comes as a stream, with its trailers", async () => {
  const answer = await linked().exchange(shop("GET", "/export.csv"));
  const body = await bytes(answer.body);
  const trailers = new Map(await answer.trailers);
  assert.equal(createHash("sha256").update(body).digest("hex"), trailers.get("x-checksum"));
  assert.ok(body.length > 16_000_000);
  assert.deepEqual([events.at(-1)?.answerForm, events.at(-1)?.sizes.body], ["streamed", body.length]);
});

test("an answer that the upstream cuts is never whole", async () => {
  const answer = await linked().exchange(shop("GET", "/export.csv?cut=1"));
  const error = await failure(bytes(answer.body));
  assert.deepEqual([error.code, error.outcomeUnknown], ["truncated", true]);
});

test("uploads: of 20 MB in hand, and of unknown length, piece by piece", async () => {
  const piece = utf8("tea and coffee, ".repeat(4096));
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < 16; count++) {
      await Promise.resolve();
      yield piece;
    }
  }
  const whole = new Uint8Array(20_000_000).fill(7);
  for (const [name, body] of [
    ["hand", whole],
    ["flow", pieces()],
  ] as const) {
    const answer = await linked().exchange(shop("PUT", `/uploads/${name}`, { body }));
    const stored = JSON.parse(await text(answer)) as Record<string, unknown>;
    const sent = body instanceof Uint8Array ? body : await bytes(pieces());
    assert.deepEqual(
      [stored["size"], stored["sha256"]],
      [sent.length, createHash("sha256").update(sent).digest("hex")],
    );
    assert.equal(events.at(-1)?.requestForm, "streamed");
  }
});

test("events come one by one; whoever leaves closes the upstream's connection", async () => {
  const answer = await linked().exchange(shop("GET", "/events", { timeoutMs: 0 }));
  const reader = answer.body[Symbol.asyncIterator]();
  const value: unknown = (await reader.next()).value;
  assert.match(fromUtf8(value instanceof Uint8Array ? value : new Uint8Array()), /data: \{"item": "tea"/);
  await reader.return?.();
  assert.ok(await quiet(scene));
});

test("aborted before the answer: the upstream's connection is closed", async () => {
  const controller = new AbortController();
  const told = rejection(linked().exchange(call("GET", "/sleep?s=9", { signal: controller.signal })));
  await busy(scene);
  controller.abort("enough");
  assert.equal(await told, "enough");
  assert.ok(await quiet(scene));
});

test("aborted half-way through the answer, likewise", async () => {
  const controller = new AbortController();
  const { body } = await linked().exchange(shop("GET", "/export.csv", { signal: controller.signal }));
  for await (const piece of body) {
    assert.ok(piece.length > 0);
    break;
  }
  controller.abort("enough");
  assert.ok(await quiet(scene));
  assert.equal(events.at(-1)?.outcome, "aborted");
});

test("timeouts", async () => {
  const error = await failure(linked().exchange(call("POST", "/sleep?s=9", { timeoutMs: 300 })));
  assert.deepEqual([error.code, error.outcomeUnknown], ["timeout", true]);
});

test("an envelope that is sent again runs once", async () => {
  await linked().exchange(call("POST", "/echo"));
  const [envelope] = middleman.envelopes.slice(-1);
  assert.ok(envelope);
  const again = await middleman.again(envelope);
  const line = await accessLog(scene, again.headers.get("x-request-id") ?? "");
  assert.deepEqual([again.status, line["fault"]], [200, "replayed"]);
});

function answering(status: number, type: string, body: string | Uint8Array): Interference {
  return (outgoing) => {
    outgoing.writeHead(status, { "content-type": type });
    outgoing.end(body);
  };
}

/** As long as an answer should be, and cut short. */
const cut: Interference = (outgoing) => {
  outgoing.writeHead(200, { "content-type": "application/privatelink", "content-length": 100 });
  outgoing.write("x", () => outgoing.destroy());
};

const bad: Record<string, [Interference, string]> = {
  HTML: [answering(200, "text/html", "<html>Log in"), "not-sealed"],
  "500": [answering(500, "text/html", "<html>Oops"), "gateway"],
  "a redirect": [(outgoing) => outgoing.writeHead(307, { location: "/elsewhere" }).end(), "network"],
  nothing: [(outgoing) => outgoing.destroy(), "network"],
  silence: [() => undefined, "timeout"],
  "half an answer": [cut, "network"],
  "a forged problem": [
    answering(400, "application/problem+json", '{"type":"urn:privatelink:problem:origin"}'),
    "origin",
  ],
  nonsense: [answering(200, "application/privatelink", "nonsense"), "bad-response"],
  "half a stream": [answering(200, "application/privatelink-stream", Uint8Array.of(18)), "truncated"],
};

for (const [name, [interference, code]] of Object.entries(bad)) {
  test(`a gateway that answers ${name}`, async () => {
    const link = linked();
    await link.exchange(call("GET", "/"));
    middleman.posts.push(interference);
    const error = await failure(link.exchange(call("POST", "/echo", { timeoutMs: 1000 })));
    assert.deepEqual([error.code, error.outcomeUnknown, error.fault], [code, true, undefined]);
  });
}

for (const [name, code] of Object.entries({
  unsigned: "directory-unsigned",
  expired: "directory-expired",
  other_root: "directory-untrusted",
  other_link: "directory-other-link",
})) {
  test(`a directory that is bad: ${name}`, async () => {
    const sent = middleman.envelopes.length;
    middleman.gets.push(keys(name));
    const error = await failure(linked().exchange(call("POST", "/echo")));
    assert.deepEqual([error.code, error.outcomeUnknown, middleman.envelopes.length - sent], [code, false, 0]);
  });
}

test("a directory that is rolled back, after a reload", async () => {
  const store = memoryStore();
  middleman.gets.push(keys("newer"));
  await linked({ store }).exchange(call("GET", "/"));
  const [key] =
    (await store.update(`extproc-link ${middleman.origin}`, (text) => text))?.match(/"directory":"[^"]*"/) ??
    [];
  await store.update(`extproc-link ${middleman.origin}`, (text) =>
    text?.replace(key ?? "", '"directory":""'),
  );
  middleman.gets.push(keys("rolled_back"));
  assert.equal((await failure(linked({ store }).exchange(call("GET", "/")))).code, "directory-rolled-back");
});

function keys(name: string): Interference {
  return answering(200, "application/privatelink-keys", readFileSync(scene.directories[name] ?? ""));
}
