/** The layer of the page's code: the call as it is written, and the answer as it comes. */

import { h } from "./dom.js";
import type { Answer, Call, Exchange } from "./exchanges.js";

const LONG = 2000;

/** The parts of the left pane. */
export function codeOf(exchange: Exchange): HTMLElement[] {
  if (!exchange.call)
    return [part("Not this page", quiet("Somebody else uses the gateway; here is only what the tap saw."))];
  return [
    part("Request", snippet(exchange.call)),
    part(
      "Response",
      ...(exchange.answer ? response(exchange.answer) : [quiet(exchange.failure ?? "Waiting …")]),
    ),
  ];
}

export function part(title: string, ...content: readonly Node[]): HTMLElement {
  return h("div", { class: "part" }, h("h4", {}, title), ...content);
}

export function quiet(text: string): HTMLElement {
  return h("p", { class: "quiet" }, text);
}

/** What all of it says, for the search on the wire. */
export function textsOf(exchange: Exchange): string[] {
  const { call, answer } = exchange;
  if (!call) return [];
  const { pathname, search } = new URL(call.url);
  const values = [...call.headers, ...(answer?.headers ?? [])]
    .filter(([name]) => TELLING.has(name))
    .map(([, value]) => value);
  return [pathname, search, ...values, call.text ?? "", answer?.body ?? ""];
}

const TELLING = new Set(["authorization", "location"]);

function snippet(call: Call): HTMLElement {
  const word = h("span", { class: "word" }, call.callee);
  return h("pre", { "data-way": call.way }, call.isStream ? "" : "await\u00a0", word, argumentsOf(call));
}

function argumentsOf({ way, isStream, url, method, headers, body }: Call): string {
  if (isStream) return way === "sealed" ? `(linkFetch,\n  "${url}")` : `(\n  "${url}")`;
  const fields = headers.map(([name, value]) => `    "${name}": "${value}",\n`).join("");
  const options = [
    `  method: "${method}",\n  credentials: "include",\n`,
    fields && `  headers: {\n${fields}  },\n`,
    body === undefined ? "" : `  body: ${body},\n`,
  ];
  return `("${url}", {\n${options.join("")}})`;
}

function response(answer: Answer): HTMLElement[] {
  const head = h("p", { class: "head" }, h("strong", {}, `${answer.status} ${answer.statusText}`.trim()));
  const fields = answer.headers.map(([name, value]) => `${name}: ${value}`).join("\n");
  const details = fields
    ? [
        h(
          "details",
          {},
          h("summary", {}, answer.headers.length === 1 ? "1 header" : `${answer.headers.length} headers`),
          h("pre", {}, fields),
        ),
      ]
    : [];
  const times = answer.timings ? [quiet(spent(answer.timings))] : [];
  return [head, ...details, ...times, ...(answer.body ? [h("pre", {}, pretty(answer.body))] : [])];
}

function spent({ seal, wait, open }: NonNullable<Answer["timings"]>): string {
  return `Sealed in ${seal.toFixed(1)} ms, opened in ${open.toFixed(1)} ms; ${wait.toFixed(0)} ms between.`;
}

function pretty(body: string): string {
  if (body.length > LONG) return `${body.slice(0, LONG)} …`;
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
