/** Asks the shop, sealed or plain, and notes down each exchange. */

import {
  createEventSource,
  createLinkFetch,
  type ExchangeEvent,
  type LinkFetch,
  type UploadProgress,
} from "../src/index.js";
import { bytes } from "./dom.js";
import type { Exchange, Exchanges, WayName } from "./exchanges.js";
import { initOf, sendPlain, type Ask } from "./plain.js";

export interface Settings {
  gateway: string;
  roots: string[];
  /** The origin that the shop has behind the gateway. */
  shop: string;
}

export interface Reply {
  status: number;
  /** Parsed, if it was JSON. */
  data: unknown;
}

export interface EventsOf {
  close(): void;
}

const KEPT_EVENTS = 12;

export class Client {
  #way: WayName = "sealed";
  #turning: Promise<void> = Promise.resolve();
  readonly #settings: Settings;
  readonly #exchanges: Exchanges;
  readonly #link: LinkFetch;
  #told: ExchangeEvent | undefined;

  constructor(settings: Settings, exchanges: Exchanges) {
    this.#settings = settings;
    this.#exchanges = exchanges;
    const onExchange = (event: ExchangeEvent): void => {
      this.#told = event;
    };
    this.#link = createLinkFetch({ gateway: settings.gateway, roots: settings.roots, onExchange });
  }

  get way(): WayName {
    return this.#way;
  }

  /** What is asked from here on goes this way, once `leave` has ended. */
  turn(way: WayName, leave: () => Promise<void>): void {
    this.#way = way;
    this.#turning = leave().catch(() => undefined);
  }

  /** Rejects as `fetch` does. */
  async send(ask: Ask): Promise<Reply> {
    await this.#turning;
    return this.sendBy(this.#way, ask);
  }

  async sendBy(way: WayName, ask: Ask): Promise<Reply> {
    await this.#exchanges.placed();
    const url = this.#url(ask.path, way);
    const exchange = this.#exchanges.begin(callOf(ask, url, way));
    try {
      const response = await this.#fetch(url, ask, way);
      return await this.#read(exchange, response);
    } catch (error) {
      this.#exchanges.failed(
        exchange,
        error instanceof Error ? `${error.name}: ${error.message}` : String(error),
      );
      throw error;
    }
  }

  /** Calls `on` with the data of each event of that type, until it is closed. */
  async events(path: string, type: string, on: (data: string) => void): Promise<EventsOf> {
    await this.#turning;
    await this.#exchanges.placed();
    const way = this.#way;
    const url = this.#url(path, way);
    const callee = way === "sealed" ? "createEventSource" : "new EventSource";
    const exchange = this.#exchanges.begin({ way, callee, isStream: true, url, method: "GET", headers: [] });
    const source = this.#eventSource(url);
    const recent: string[] = [];
    const note = (): void => {
      const headers: [string, string][] = [["content-type", "text/event-stream"]];
      this.#exchanges.answered(exchange, { status: 200, statusText: "OK", headers, body: recent.join("\n") });
    };
    source.addEventListener("open", note);
    source.addEventListener(type, (event: Event) => {
      if (!(event instanceof MessageEvent)) return;
      const data = String(event.data);
      recent.unshift(`${type}: ${data}`);
      recent.length = Math.min(recent.length, KEPT_EVENTS);
      note();
      on(data);
    });
    return source;
  }

  /** What an app does at logout: the cookie binding and all that is stored goes, and the sealed cookies with it. */
  async forget(): Promise<void> {
    await this.#link.forget();
  }

  #url(path: string, way: WayName): string {
    return new URL(path, way === "sealed" ? this.#settings.shop : this.#settings.gateway).href;
  }

  #eventSource(url: string): EventSource {
    if (this.#way === "plain") return new EventSource(url, { withCredentials: true });
    return createEventSource(this.#link, url, { withCredentials: true });
  }

  async #fetch(url: string, ask: Ask, way: WayName): Promise<Response> {
    if (way === "plain") return sendPlain(url, ask);
    const { onProgress } = ask;
    if (!onProgress) return this.#link(url, initOf(ask));
    const onUploadProgress = ({ loaded, total }: UploadProgress): void => {
      onProgress(total ? loaded / total : 0);
    };
    return this.#link(url, { ...initOf(ask), onUploadProgress });
  }

  async #read(exchange: Exchange, response: Response): Promise<Reply> {
    const body = await response.text();
    this.#exchanges.answered(exchange, {
      status: response.status,
      statusText: response.statusText,
      headers: [...response.headers],
      body,
      ...(exchange.call?.way === "sealed" && this.#told && { timings: this.#told.timings }),
    });
    return { status: response.status, data: parsed(body) };
  }
}

function callOf(ask: Ask, url: string, way: WayName): Exchange["call"] {
  const callee = way === "sealed" ? "linkFetch" : "fetch";
  const headers = Object.entries(ask.headers ?? {});
  const call = { way, callee, isStream: false, url, method: ask.method, headers };
  if (ask.body === undefined) return call;
  if (typeof ask.body === "string") return { ...call, body: `'${ask.body}'`, text: ask.body };
  return { ...call, body: `blob /* ${bytes(ask.body.size)} */` };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
