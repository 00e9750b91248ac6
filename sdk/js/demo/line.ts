/** The layer of the wire: what the tap saw of one exchange. */

import { part, quiet } from "./code.js";
import { bytes as sizeOf, h } from "./dom.js";
import type { Exchange, Side, Turn } from "./exchanges.js";
import { dump, legend, rowLength, rowsLeft } from "./hex.js";
import { anatomy, header, readMessage, type Bytes, type Message } from "./wire.js";

const TEXT = /^(application\/json|text\/)/;
const SHOWN = 4000;
const text = new TextDecoder();

/** The parts of the right pane. `redraw` is called when somebody wants to see more, or less. */
export class Line {
  readonly #whole = new Set<string>();
  readonly #redraw: () => void;

  constructor(redraw: () => void) {
    this.#redraw = redraw;
  }

  parts(exchange: Exchange, words: readonly string[], width: number): HTMLElement[] {
    const { turn, others } = exchange;
    if (!turn)
      return [quiet(exchange.failure === undefined ? "Nothing yet …" : "Nothing of it went over the wire.")];
    return [
      this.#side("request", turn.number, turn.sent, words, width),
      this.#side("response", turn.number, turn.received, words, width),
      ...(others.length > 0 ? [aside(others)] : []),
    ];
  }

  #side(
    of: "request" | "response",
    turn: number,
    side: Side,
    words: readonly string[],
    width: number,
  ): HTMLElement {
    const title = of === "request" ? "Request" : "Response";
    const message = readMessage(side.kept);
    if (!message) return part(title, quiet("Nothing yet …"));
    const key = `${String(turn)} ${of}`;
    const kept =
      side.kept.length < side.size
        ? [quiet(`${sizeOf(side.size)} in all; the tap keeps the first 64 KiB.`)]
        : [];
    return part(title, head(message, words), ...this.#body(message, of, words, width, key), ...kept);
  }

  #body(
    message: Message,
    of: "request" | "response",
    words: readonly string[],
    width: number,
    key: string,
  ): Node[] {
    const { body } = message;
    if (body.length === 0) return [];
    const mediaType = header(message.headers, "content-type") ?? "";
    if (TEXT.test(mediaType) && !header(message.headers, "content-encoding")) {
      const label = `Body of the ${of}`;
      const read = marked(text.decode(body.subarray(0, SHOWN)), words);
      return [h("pre", { class: "box", tabindex: "0", role: "region", "aria-label": label }, ...read)];
    }
    const fields = anatomy(body, mediaType, of);
    const rows = rowLength(width);
    const all = this.#whole.has(key);
    const hex = dump(body, fields, rows, all, `Body of the ${of} in hexadecimal`);
    return [
      ...(fields.length > 0 ? legend(fields) : []),
      hex,
      ...(rowsLeft(body, rows) ? [this.#more(key, all, body)] : []),
    ];
  }

  #more(key: string, all: boolean, body: Bytes): HTMLElement {
    const button = h(
      "button",
      { type: "button", id: `more ${key}` },
      all ? "Show less" : `Show ${sizeOf(body.length)}`,
    );
    button.addEventListener("click", () => {
      if (all) this.#whole.delete(key);
      else this.#whole.add(key);
      this.#redraw();
    });
    return button;
  }
}

/** A text in which the words stand out. They are of letters, digits, "_" and "-". */
export function marked(text: string, words: readonly string[]): (Node | string)[] {
  if (words.length === 0) return [text];
  const longestFirst = [...words].sort((one, other) => other.length - one.length);
  const pattern = new RegExp(`(${longestFirst.join("|")})`, "u");
  return text.split(pattern).map((piece, at) => (at % 2 === 1 ? h("mark", {}, piece) : piece));
}

function head(message: Message, words: readonly string[]): HTMLElement {
  const lines = message.headers.flatMap(([name, value]) => [
    h("span", { class: "quiet" }, `\n${name}: `),
    ...marked(value, words),
  ]);
  return h("pre", {}, h("b", {}, ...marked(message.line, words)), ...lines);
}

function aside(turns: readonly Turn[]): HTMLElement {
  const parts = turns.map((turn) => h("pre", {}, `${lineOf(turn.sent)}\n${lineOf(turn.received)}`));
  return h(
    "details",
    { id: "aside" },
    h("summary", {}, `Before it: ${turns.map(nameOf).join(", ")}`),
    ...parts,
  );
}

function nameOf(turn: Turn): string {
  return lineOf(turn.sent).startsWith("OPTIONS") ? "a preflight" : "the key directory, signed";
}

function lineOf(side: Side): string {
  return readMessage(side.kept)?.line ?? "…";
}
