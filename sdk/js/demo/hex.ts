/** Bytes for the eye: a dump in which the parts of an envelope have their colors, and a bar of how large they are. */

import { bytes as sizeOf, h } from "./dom.js";
import type { Bytes, Field, FieldName } from "./wire.js";

const FIRST_ROWS = 8;

/** How many bytes a row has, so that it fits `width` pixels. */
export function rowLength(width: number): number {
  return width >= 440 ? 16 : 8;
}

/** `all`: every byte that was kept, else the first rows. */
export function dump(
  body: Bytes,
  fields: readonly Field[],
  perRow: number,
  all: boolean,
  label: string,
): HTMLElement {
  const end = all ? body.length : Math.min(body.length, FIRST_ROWS * perRow);
  const rows: (Node | string)[] = [];
  let field = 0;
  for (let at = 0; at < end; at += perRow) {
    const until = Math.min(at + perRow, end);
    rows.push(h("span", { class: "quiet" }, at.toString(16).padStart(4, "0")), "  ");
    for (let from = at; from < until;) {
      while ((fields[field]?.end ?? Infinity) <= from) field++;
      const stop = Math.min(until, fields[field]?.end ?? Infinity);
      rows.push(
        h("span", { "data-field": fields[field]?.name }, hexOf(body.subarray(from, stop), from - at)),
      );
      from = stop;
    }
    rows.push(
      " ".repeat(Math.ceil((at + perRow - until) * 2.5) + 1),
      h("span", { class: "quiet" }, ascii(body.subarray(at, until))),
      "\n",
    );
  }
  return h("pre", { class: "box hex", tabindex: "0", role: "region", "aria-label": label }, ...rows);
}

export function rowsLeft(body: Bytes, perRow: number): boolean {
  return body.length > FIRST_ROWS * perRow;
}

/** Two bytes a group; `column` is that of the first. */
function hexOf(bytes: Bytes, column: number): string {
  const pairs = Array.from(
    bytes,
    (byte, at) => byte.toString(16).padStart(2, "0") + ((column + at) % 2 === 1 ? " " : ""),
  );
  return pairs.join("");
}

function ascii(bytes: Bytes): string {
  return Array.from(bytes, (byte) => (byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : "·")).join("");
}

/** The parts by size, as a bar for the eye and a list for everybody. */
export function legend(fields: readonly Field[]): HTMLElement[] {
  const totals = new Map<FieldName, { size: number; count: number }>();
  for (const { name, start, end } of fields) {
    const { size, count } = totals.get(name) ?? { size: 0, count: 0 };
    totals.set(name, { size: size + end - start, count: count + 1 });
  }
  const bar = h("div", { class: "bar", "aria-hidden": "true" });
  const list = h("ul", { class: "legend" });
  for (const [name, { size, count }] of [...totals].sort(([one], [other]) => rank(one) - rank(other))) {
    const piece = h("i", { "data-field": name });
    piece.style.flexGrow = String(size);
    bar.append(piece);
    const pieces = name === "ciphertext" && count > 1 ? ` in ${count} segments` : "";
    list.append(h("li", { "data-field": name }, `${name}, ${sizeOf(size)}${pieces}`));
  }
  return [bar, list];
}

const ORDER: readonly FieldName[] = ["key id", "encapsulation", "nonce", "ciphertext", "framing"];

function rank(name: FieldName): number {
  return ORDER.indexOf(name);
}
