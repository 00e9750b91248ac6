/**
 * A JavaScript runtime with what ECMAScript has, `setTimeout` and `clearTimeout`, and nothing else: less than any mini
 * program. A context of node:vm, where code can't be made from strings.
 */

import { createContext, Script } from "node:vm";

/** Globals of browsers and of Node that a script must not take for granted. */
export const MISSING = [
  "AbortController",
  "Blob",
  "Buffer",
  "CompressionStream",
  "DOMException",
  "DecompressionStream",
  "EventTarget",
  "Headers",
  "ReadableStream",
  "Request",
  "Response",
  "TextDecoder",
  "TextEncoder",
  "URL",
  "URLSearchParams",
  "WebAssembly",
  "XMLHttpRequest",
  "atob",
  "btoa",
  "console",
  "crypto",
  "document",
  "fetch",
  "indexedDB",
  "localStorage",
  "navigator",
  "performance",
  "process",
  "queueMicrotask",
  "require",
  "self",
  "setInterval",
  "structuredClone",
  "window",
];

/** Runs scripts; `module.exports` is what the last CommonJS one has left there. */
export function strippedRuntime(globals: Record<string, unknown> = {}): (script: string) => unknown {
  const options = { codeGeneration: { strings: false, wasm: false } };
  const context = createContext({ setTimeout, clearTimeout, ...globals }, options);
  const run = (script: string): unknown => new Script(script).runInContext(context);
  run("for (const name of ['WebAssembly', 'console']) delete globalThis[name]");
  return run;
}
