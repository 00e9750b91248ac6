/**
 * How the house is built: every import in src/ leads to a lower floor or stays within its room, and to no third party
 * but those that the room is there to touch. What needs no Node has no import of Node's.
 */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join, normalize, sep } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("../src/", import.meta.url));

interface Room {
  floor: number;
  /** Third parties, each with what is below it. */
  touches?: readonly string[];
}

const ROOMS: Readonly<Record<string, Room>> = {
  "bytes.ts": { floor: 0 },
  "errors.ts": { floor: 0 },
  crypto: { floor: 1, touches: ["@hpke", "@noble"] },
  wire: { floor: 2, touches: ["@bufbuild/protobuf/wire"] },
  link: { floor: 3 },
  fetch: { floor: 4 },
  wechat: { floor: 4 },
  adapters: { floor: 5, touches: ["axios"] },
  "index.ts": { floor: 5 },
};

interface Import {
  source: string;
  target: string;
}

function imports(): Import[] {
  const sources = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  return sources.flatMap((source) => {
    const text = readFileSync(join(SOURCE, source), "utf8");
    const found = text.matchAll(/(?:\bfrom |\bimport\(|^import )"([^"\s]+)"/gm);
    return Array.from(found, ([, target = ""]) => ({ source, target }));
  });
}

function roomOf(file: string): string {
  return file.split(sep)[0] ?? "";
}

/** The room that is imported; undefined: none of ours. */
function targetRoom({ source, target }: Import): string | undefined {
  return target.startsWith(".")
    ? roomOf(normalize(join(source, "..", target)).replace(/\.js$/, ".ts"))
    : undefined;
}

test("every module is in a room", () => {
  assert.deepEqual(
    readdirSync(SOURCE).filter((name) => !Object.hasOwn(ROOMS, name)),
    [],
  );
});

test("imports lead to lower floors or stay in their room", () => {
  const wrong = imports().filter((found) => {
    const [from, to] = [roomOf(found.source), targetRoom(found)];
    return to !== undefined && to !== from && (ROOMS[to]?.floor ?? Infinity) >= (ROOMS[from]?.floor ?? 0);
  });
  assert.deepEqual(wrong, []);
});

test("rooms touch no third party but their own", () => {
  const wrong = imports().filter((found) => {
    const touches = ROOMS[roomOf(found.source)]?.touches ?? [];
    const isTheirs = touches.some((name) => found.target === name || found.target.startsWith(`${name}/`));
    return targetRoom(found) === undefined && !isTheirs;
  });
  assert.deepEqual(wrong, []);
});

test("the runner of the vectors runs everywhere", () => {
  const folder = fileURLToPath(new URL("vectors/", import.meta.url));
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const runner = files.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  assert.ok(runner.includes("run.ts"));
  assert.deepEqual(
    runner.filter((name) => readFileSync(join(folder, name), "utf8").includes('"node:')),
    [],
  );
});
