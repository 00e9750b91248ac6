/** What happened, on both layers: calls of the page's code, each with the turns that the tap saw for it. */

import { header, readMessage, type Bytes, type Message } from "./wire.js";

export type WayName = "sealed" | "plain";

/** A call as the page's code makes it. */
export interface Call {
  way: WayName;
  /** What is called, with `new` if need be. */
  callee: string;
  /** Events as they come, and no answer that ends. */
  isStream: boolean;
  url: string;
  method: string;
  headers: [string, string][];
  /** The body, as code would write it, and what it says if it is text. */
  body?: string;
  text?: string;
}

export interface Answer {
  status: number;
  statusText: string;
  headers: [string, string][];
  body: string;
  /** Of the link, in milliseconds. */
  timings?: { seal: number; wait: number; open: number };
}

/** One request and its response, as bytes: the first 64 KiB of each, and how many there were. */
export interface Turn {
  number: number;
  sent: Side;
  received: Side;
}

export interface Side {
  kept: Bytes;
  size: number;
}

export class Exchange {
  readonly id: number;
  /** Undefined for what somebody else sent. */
  readonly call: Call | undefined;
  readonly began = performance.now();
  answer: Answer | undefined;
  failure: string | undefined;
  elapsedMs: number | undefined;
  /** The turn of the call itself. */
  turn: Turn | undefined;
  /** Preflights, and fetches of the key directory. */
  readonly others: Turn[] = [];
  /** Resolves when it has its turn, or its end. */
  readonly placed: Promise<void>;
  #place: () => void = () => undefined;

  constructor(id: number, call: Call | undefined) {
    this.id = id;
    this.call = call;
    this.placed = new Promise((resolve) => {
      this.#place = resolve;
    });
  }

  /** It has ended, with an answer or with a failure. */
  end(result: { answer: Answer } | { failure: string }): void {
    if ("answer" in result) this.answer = result.answer;
    else this.failure = result.failure;
    this.elapsedMs ??= performance.now() - this.began;
    this.#place();
  }

  /** The tap has seen a turn of it. */
  add(turn: Turn, isAside: boolean): void {
    if (isAside || this.turn) this.others.push(turn);
    else {
      this.turn = turn;
      this.#place();
    }
  }

  get title(): string {
    if (this.call) return `${this.call.method} ${new URL(this.call.url).pathname}`;
    return this.turn ? (requestOf(this.turn)?.line.replace(/ HTTP.*/, "") ?? "") : "";
  }
}

export function requestOf(turn: Turn): Message | undefined {
  return readMessage(turn.sent.kept);
}

/** All exchanges, and which turn belongs to which. */
export class Exchanges {
  readonly all: Exchange[] = [];
  #last: Exchange | undefined;
  readonly #homes = new Map<number, Exchange>();
  readonly #userAgent: string;
  readonly #changed: (exchange: Exchange) => void;

  constructor(userAgent: string, changed: (exchange: Exchange) => void) {
    this.#userAgent = userAgent;
    this.#changed = changed;
  }

  /** Resolves when the last call has its turn, or its end: then another one may begin. */
  async placed(): Promise<void> {
    await this.#last?.placed;
  }

  begin(call: Call | undefined): Exchange {
    const exchange = new Exchange(this.all.length + 1, call);
    this.all.push(exchange);
    if (call) this.#last = exchange;
    this.#changed(exchange);
    return exchange;
  }

  answered(exchange: Exchange, answer: Answer): void {
    exchange.end({ answer });
    this.#changed(exchange);
  }

  failed(exchange: Exchange, failure: string): void {
    exchange.end({ failure });
    this.#changed(exchange);
  }

  /** The tap saw more of `turn`, whose request has its whole head by now. */
  passed(turn: Turn): void {
    const home = this.#homes.get(turn.number) ?? this.#claim(turn);
    if (home) this.#changed(home);
  }

  /** The page makes one call after the other, so turns come in the order of the calls that wait for theirs. */
  #claim(turn: Turn): Exchange | undefined {
    const request = requestOf(turn);
    if (!request) return undefined;
    const waiting = this.all.find((each) => each.call && !each.turn && each.failure === undefined);
    const ours = header(request.headers, "user-agent") === this.#userAgent;
    const home = ours ? (waiting ?? this.all.at(-1)) : this.begin(undefined);
    if (!home) return undefined;
    this.#homes.set(turn.number, home);
    home.add(turn, isAside(request));
    return home;
  }
}

function isAside(request: Message): boolean {
  return request.line.startsWith("OPTIONS ") || /^GET \S*\/keys /.test(request.line);
}
