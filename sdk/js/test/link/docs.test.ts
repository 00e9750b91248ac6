/** README.md. Invariant: it has every option and every code. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { FAULTS, PROBLEMS, TROUBLES } from "../../src/errors.js";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const README = read("README.md");

function section(title: string): string {
  const [, text = ""] = README.split(`\n## ${title}\n`);
  return text.split("\n## ")[0] ?? "";
}

/** What stands in the first column of the tables of a section, in code. */
function rows(title: string): string[] {
  const columns = Array.from(section(title).matchAll(/^\| ([^|]*) \|/gm), ([, column = ""]) => column);
  return columns.flatMap((column) => Array.from(column.matchAll(/`([^`]+)`/g), ([, code = ""]) => code));
}

/** The members of an interface, by its source. */
function members(path: string, name: string): string[] {
  const [, body = ""] = read(path).split(`interface ${name} {`);
  return Array.from((body.split("\n}")[0] ?? "").matchAll(/^ {2}(\w+)\??:/gm), ([, member = ""]) => member);
}

test("every option", () => {
  assert.deepEqual(rows("Options"), members("src/link/options.ts", "LinkOptions"));
});

test("every code", () => {
  const codes = new Set(rows("Error codes"));
  const missing = [...PROBLEMS, ...FAULTS, ...TROUBLES].filter((code) => !codes.has(code));
  assert.deepEqual(missing, []);
});

test("every member of an event", () => {
  const missing = members("src/link/events.ts", "ExchangeEvent").filter(
    (name) => !rows("Telemetry").includes(name),
  );
  assert.deepEqual(missing, []);
});
