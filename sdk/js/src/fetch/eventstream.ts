/** The event stream format (HTML, 9.2.6), read as it comes. */

export interface StreamEvent {
  type: string;
  data: string;
  /** Of this event or the last one before it that had one. */
  lastEventId: string;
}

export class EventStreamReader {
  /** What the stream has asked for, in milliseconds. */
  retryMs: number | undefined;
  lastEventId: string;
  readonly #decoder = new TextDecoder(); // which takes the byte order mark away
  #rest = "";
  #isAfterReturn = false;
  #type = "";
  #data: string[] = [];
  #id: string;

  constructor(lastEventId = "") {
    this.lastEventId = this.#id = lastEventId;
  }

  /** The events that these bytes complete. One that the stream ends in the midst of is none. */
  *receive(bytes: Uint8Array): Generator<StreamEvent, void, undefined> {
    const lines = (this.#rest + this.#text(bytes)).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line !== "") this.#take(line);
      else yield* this.#dispatch();
    }
  }

  /** A CR ends its line at once, so that the LF that may follow it ends none. */
  #text(bytes: Uint8Array): string {
    const text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return "";
    const isHalf = this.#isAfterReturn && text.startsWith("\n");
    this.#isAfterReturn = text.endsWith("\r");
    return isHalf ? text.slice(1) : text;
  }

  #take(line: string): void {
    const [, name = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === "event") this.#type = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
  }

  *#dispatch(): Generator<StreamEvent, void, undefined> {
    const [type, data] = [this.#type || "message", this.#data];
    this.lastEventId = this.#id;
    this.#type = "";
    this.#data = [];
    if (data.length > 0) yield { type, data: data.join("\n"), lastEventId: this.lastEventId };
  }
}
