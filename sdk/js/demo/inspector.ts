/** The two layers of one exchange, side by side; above them all exchanges, and what a reader of the wire finds. */

import { codeOf, textsOf } from "./code.js";
import { get, h } from "./dom.js";
import type { Exchange, Exchanges } from "./exchanges.js";
import { Line } from "./line.js";
import { findWords, readable, readMessage, wordsOf, type Bytes } from "./wire.js";

const SHOWN = 24;
const SHOWN_WORDS = 16;

export class Inspector {
  readonly #exchanges: Exchanges;
  #shown: Exchange | undefined;
  #pinned = false;
  #frame = 0;
  readonly #log = get("log", HTMLOListElement);
  readonly #code = get("code", HTMLElement);
  readonly #wire = get("wire", HTMLElement);
  readonly #verdict = get("verdict", HTMLElement);
  readonly #sentence = h("strong", { role: "status" });
  readonly #strip = get("strip-link", HTMLAnchorElement);
  readonly #line = new Line(() => {
    this.#draw();
  });

  constructor(exchanges: Exchanges) {
    this.#exchanges = exchanges;
    const redraw = new ResizeObserver(() => {
      this.#draw();
    });
    redraw.observe(this.#wire.parentElement ?? this.#wire);
    hideStripOver(get("layers", HTMLElement));
  }

  /** Something of `exchange` has changed; a new one is shown, unless somebody looks at another one by choice. */
  update(exchange: Exchange): void {
    const isNew = !this.#shown || exchange.id > this.#shown.id;
    if (isNew && exchange.call && !exchange.turn && exchange.elapsedMs === undefined) this.#pinned = false;
    if (isNew && !this.#pinned) this.#shown = exchange;
    this.#draw();
  }

  #draw(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      void this.#drawNow();
    });
  }

  async #drawNow(): Promise<void> {
    const exchange = this.#shown;
    this.#drawLog();
    if (!exchange) return;
    const words = wordsOf(textsOf(exchange));
    const found = findWords(words, await wireOf(exchange));
    this.#drawVerdict(exchange, found);
    const seen = words.filter((word) => (found.get(word) ?? 0) > 0);
    keeping(this.#code, codeOf(exchange));
    keeping(this.#wire, this.#line.parts(exchange, seen, this.#wire.clientWidth));
  }

  #drawLog(): void {
    const entries = this.#exchanges.all.slice(-SHOWN).reverse();
    keeping(
      this.#log,
      entries.map((exchange) => this.#entry(exchange)),
    );
  }

  #entry(exchange: Exchange): HTMLElement {
    const way = exchange.call?.way ?? "sealed";
    const took = exchange.elapsedMs === undefined ? "" : `${exchange.elapsedMs.toFixed(0)} ms`;
    const how = exchange.call ? way : "not this page";
    const status = exchange.answer?.status ?? (exchange.failure === undefined ? "…" : "failed");
    const button = h(
      "button",
      { type: "button", id: `exchange-${exchange.id}`, "aria-current": exchange === this.#shown && "true" },
      h("span", { class: "what" }, exchange.title),
      h("span", { class: "how" }, `${how}, ${status}`),
      h("span", { class: "how" }, took),
    );
    button.addEventListener("click", () => {
      this.#shown = exchange;
      this.#pinned = exchange !== this.#exchanges.all.at(-1);
      this.#draw();
    });
    return h("li", { "data-way": way }, button);
  }

  #drawVerdict(exchange: Exchange, found: ReadonlyMap<string, number>): void {
    const seen = [...found.values()].filter((count) => count > 0).length;
    const sentence = verdict(exchange, seen, found.size);
    const chips = [...found].slice(0, SHOWN_WORDS).map(([word, count]) => {
      const note = h("span", { class: "unseen" }, count > 0 ? " (on the wire)" : "");
      return h("li", { "data-found": String(count > 0) }, word, note);
    });
    this.#verdict.dataset["tone"] = seen > 0 ? "bad" : "good";
    if (this.#sentence.textContent !== sentence) this.#sentence.textContent = sentence; // it is said aloud
    this.#verdict.replaceChildren(this.#sentence, h("ul", { class: "words" }, ...chips));
    this.#strip.textContent = `${exchange.title}: ${seen} of ${found.size} words on the wire`;
  }
}

function verdict(exchange: Exchange, seen: number, all: number): string {
  if (!exchange.turn)
    return exchange.failure === undefined ? "Waiting for the tap …" : "Nothing went over the wire.";
  if (all === 0) return "Nothing here that a reader of the wire could look for.";
  return `A reader of the wire finds ${seen === 0 ? "none" : seen} of these ${all} words.`;
}

/** All that passed for it, as anyone can read it. */
async function wireOf(exchange: Exchange): Promise<Bytes[]> {
  const turns = exchange.turn ? [exchange.turn, ...exchange.others] : exchange.others;
  const sides = turns.flatMap(({ sent, received }) => [sent.kept, received.kept]);
  const bodies = sides.map(async (kept) => {
    const message = readMessage(kept);
    return message ? readable(message) : kept;
  });
  return [...sides, ...(await Promise.all(bodies))];
}

/** New content, with focus, open details and scrolled boxes where they were. */
function keeping(parent: HTMLElement, content: readonly Node[]): void {
  const focus = document.activeElement?.id;
  const scrolled = [...parent.querySelectorAll(".box")].map(({ scrollTop, scrollLeft }) => ({
    scrollTop,
    scrollLeft,
  }));
  const open = [...parent.querySelectorAll("details")].map((details) => details.open);
  const focused = [...parent.querySelectorAll(".box")].findIndex((box) => box === document.activeElement);
  parent.replaceChildren(...content);
  parent.querySelectorAll("details").forEach((details, at) => {
    details.open = open[at] ?? false;
  });
  parent.querySelectorAll<HTMLElement>(".box").forEach((box, at) => {
    Object.assign(box, scrolled[at]);
    if (at === focused) box.focus({ preventScroll: true });
  });
  if (focus && document.activeElement?.id !== focus)
    document.getElementById(focus)?.focus({ preventScroll: true });
}

/** On a phone the strip leads to the layers, and goes when they are there. */
function hideStripOver(layers: HTMLElement): void {
  const strip = get("strip", HTMLElement);
  new IntersectionObserver(([entry]) => {
    strip.hidden = entry?.isIntersecting ?? false;
  }).observe(layers);
}
