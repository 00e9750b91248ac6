/** The files of tests/vectors/ as checks take them: fields with the type that the format gives them. No JSON is trusted. */

import { concat, hex, latin1 } from "../../src/bytes.js";
import type { Bytes } from "../../src/bytes.js";
import type { Field, InnerRequest, InnerResponse } from "../../src/wire/inner.js";

/** A value of a JSON document, and where it stands. */
export class Json {
  readonly value: unknown;
  readonly #where: string;

  constructor(value: unknown, where: string) {
    this.value = value;
    this.#where = where;
  }

  /** A member; one of value undefined when there is none. */
  get(name: string): Json {
    const members: object = this.#members();
    const found: unknown = Object.getOwnPropertyDescriptor(members, name)?.value;
    return new Json(found, `${this.#where}.${name}`);
  }

  get names(): string[] {
    return Object.keys(this.#members());
  }

  get isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }

  get list(): Json[] {
    if (!Array.isArray(this.value)) throw this.#not("a list");
    return this.value.map((each: unknown, at) => new Json(each, `${this.#where}[${at}]`));
  }

  get text(): string {
    if (typeof this.value !== "string") throw this.#not("a text");
    return this.value;
  }

  get number(): number {
    if (typeof this.value !== "number") throw this.#not("a number");
    return this.value;
  }

  get flag(): boolean {
    if (typeof this.value !== "boolean") throw this.#not("true or false");
    return this.value;
  }

  get bytes(): Bytes {
    return unhex(this.text);
  }

  /** Words of hexadecimal; `61*65536` is one of them, that many times. */
  get words(): Bytes {
    const words = this.text.split(" ").filter((word) => word !== "");
    return concat(...words.map((word) => repeated(...split(word))));
  }

  #members(): object {
    if (typeof this.value !== "object" || this.value === null) throw this.#not("an object");
    return this.value;
  }

  #not(expected: string): Error {
    return new Error(`${this.#where} is not ${expected}`);
  }
}

export function unhex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

function split(word: string): [Bytes, number] {
  const [digits = "", times = "1"] = word.split("*");
  return [unhex(digits), Number(times)];
}

function repeated(bytes: Bytes, times: number): Bytes {
  const whole = new Uint8Array(bytes.length * times);
  for (let at = 0; at < whole.length; at += bytes.length) whole.set(bytes, at);
  return whole;
}

export function fields(pairs: Json): Field[] {
  if (pairs.isAbsent) return [];
  return pairs.list.map((pair) => {
    const [name, value] = pair.list;
    return [name?.text ?? "", String.fromCharCode(...(value?.bytes ?? []))];
  });
}

/** An inner request by the field names of section 7; what is absent has its default. */
export function innerRequest(inner: Json): InnerRequest {
  const client = inner.get("client");
  return {
    method: textOf(inner.get("method")),
    scheme: textOf(inner.get("scheme")),
    authority: textOf(inner.get("authority")),
    path: textOf(inner.get("path")),
    headers: [...fields(inner.get("headers")), ...filler(inner.get("filler"))],
    body: bytesOf(inner.get("body")),
    sentAtMs: numberOf(inner.get("sent_at_ms")),
    exchangeId: bytesOf(inner.get("exchange_id")),
    acceptStream: !inner.get("accept_stream").isAbsent && inner.get("accept_stream").flag,
    cookieBinding: bytesOf(inner.get("cookie_binding")),
    client: client.isAbsent ? undefined : clientInfo(client),
  };
}

function clientInfo(client: Json): InnerRequest["client"] {
  const tags = client.get("tags");
  return {
    sdk: textOf(client.get("sdk")),
    platform: textOf(client.get("platform")),
    app: textOf(client.get("app")),
    installId: textOf(client.get("install_id")),
    tags: tags.isAbsent ? {} : Object.fromEntries(tags.names.map((name) => [name, tags.get(name).text])),
  };
}

function filler(json: Json): Field[] {
  if (json.isAbsent) return [];
  const value = "a".repeat(json.get("value_length").number);
  return Array.from({ length: json.get("count").number }, () => [json.get("name").text, value]);
}

/** An inner response as text, to compare it by. */
export function expectedResponse(inner: Json): string {
  return shown({
    status: numberOf(inner.get("status")),
    headers: fields(inner.get("headers")),
    body: bytesOf(inner.get("body")),
    trailers: fields(inner.get("trailers")),
    fault: textOf(inner.get("fault")),
    gatewayTimeMs: numberOf(inner.get("gateway_time_ms")),
    directorySerial: numberOf(inner.get("directory_serial")),
  });
}

export function shown(response: InnerResponse): string {
  const { status, headers, body, trailers, fault, gatewayTimeMs, directorySerial } = response;
  return JSON.stringify([status, headers, hex(body), trailers, fault, gatewayTimeMs, directorySerial]);
}

function textOf(json: Json): string {
  return json.isAbsent ? "" : json.text;
}

function numberOf(json: Json): number {
  return json.isAbsent ? 0 : json.number;
}

function bytesOf(json: Json): Bytes {
  return json.isAbsent ? latin1("") : json.bytes;
}
