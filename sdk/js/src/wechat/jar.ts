/**
 * The link's own cookies, which the platform keeps none of: with `cookies.mode: sealed` they are what a login lives in.
 *
 * Those with an expiry are in storage; session cookies last as long as the mini program runs. Every name is taken,
 * since a load balancer on the way may have some too. But `set-cookie` lines stand outside the seal, so that anyone on
 * the way can add some: hence the bounds (RFC 6265, 6.1), which the newest win.
 */

import type { KeyValue } from "../link/store.js";

const MAX_COOKIES = 50;
const MAX_COOKIE = 4096; // of name and value
const MAX_ATTRIBUTES = 1024;
const MAX_TOTAL = 32 * 2 ** 10;
const EXPOSED = /^http:\/\/(?!localhost[:/]|127\.|\[::1\])/i; // off the device in the clear

const TEXT = /^[\x20-\x3a\x3c-\x7e]*$/; // what a line has between two ";"

interface Cookie {
  name: string;
  value: string;
  path: string;
  /** Unix time in milliseconds; undefined: a session cookie. */
  expiresAt?: number;
}

type Storage = Pick<KeyValue, "set" | "remove"> & { get(key: string): string | undefined };

/** For one link, whose host is the only one that it sees. */
export class Jar {
  readonly #storage: Storage;
  readonly #key: string;
  readonly #isExposed: boolean;
  readonly #now: () => number;
  #cookies: Cookie[];

  constructor(storage: Storage, gateway: string, now: () => number) {
    this.#storage = storage;
    this.#key = `extproc-link cookies ${gateway.toLowerCase().replace(/\/$/, "")}`;
    this.#isExposed = EXPOSED.test(gateway);
    this.#now = now;
    this.#cookies = newest(restored(() => storage.get(this.#key)));
  }

  /** The `cookie` field for this path; empty: none. */
  header(path: string): string {
    const now = this.#now();
    return this.#cookies
      .filter((cookie) => (cookie.expiresAt ?? Infinity) > now && matches(path, cookie.path))
      .map(({ name, value }) => `${name}=${value}`)
      .join("; ");
  }

  /** Keep what the answer to a request for this path sets. Lines that are too long, or not ASCII, are ignored. */
  keep(lines: readonly string[], path: string): void {
    const allowed = lines.filter((line) => !this.#isExposed || !/;\s*secure\s*(?:;|$)/i.test(line));
    const set = allowed.flatMap((line) => parseLine(line, path, this.#now()) ?? []);
    if (set.length === 0) return;
    const others = this.#cookies.filter((old) => !set.some((cookie) => isSame(cookie, old)));
    const now = this.#now();
    const alive = [...others, ...set].filter((cookie) => (cookie.expiresAt ?? Infinity) > now);
    this.#cookies = newest(alive);
    this.#save();
  }

  /** Throws what the storage throws, when they are still there. */
  clear(): void {
    this.#cookies = [];
    this.#storage.remove(this.#key);
  }

  #save(): void {
    const lasting = this.#cookies.filter((cookie) => cookie.expiresAt !== undefined);
    try {
      if (lasting.length === 0) this.#storage.remove(this.#key);
      else this.#storage.set(this.#key, JSON.stringify(lasting));
    } catch {
      // The storage is full: memory has them until the mini program ends.
    }
  }
}

/** RFC 6265, 5.2 and 5.3. `domain` is of no use in a jar of one host. */
function parseLine(line: string, requestPath: string, now: number): Cookie | undefined {
  const [pair = "", ...attributes] = line.split(";");
  const at = pair.indexOf("=");
  const isTooLong = pair.length > MAX_COOKIE || line.length - pair.length > MAX_ATTRIBUTES;
  if (at < 1 || isTooLong || !/^[\x20-\x7e]*$/.test(line)) return undefined;
  const told = new Map(attributes.map(attribute));
  const cookie: Cookie = {
    name: pair.slice(0, at).trim(),
    value: pair.slice(at + 1).trim(),
    path: told.get("path")?.startsWith("/") ? (told.get("path") ?? "/") : folder(requestPath),
  };
  const expiresAt = expiry(told, now);
  return expiresAt === undefined ? cookie : { ...cookie, expiresAt };
}

function attribute(text: string): [name: string, value: string] {
  const [name = "", ...value] = text.split("=");
  return [name.trim().toLowerCase(), value.join("=").trim()];
}

/** `max-age` before `expires`; what is neither a number nor a date says nothing. */
function expiry(told: Map<string, string>, now: number): number | undefined {
  const maxAge = told.get("max-age") ?? "";
  if (/^-?[0-9]+$/.test(maxAge)) return Math.min(now + Number(maxAge) * 1000, Number.MAX_SAFE_INTEGER);
  const date = Date.parse(told.get("expires") ?? "");
  return Number.isNaN(date) ? undefined : date;
}

/** RFC 6265, 5.1.4. */
function folder(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 1));
}

function matches(path: string, cookiePath: string): boolean {
  return path === cookiePath || path.startsWith(cookiePath.endsWith("/") ? cookiePath : `${cookiePath}/`);
}

function isSame(one: Cookie, other: Cookie): boolean {
  return one.name === other.name && one.path === other.path;
}

/** As many of the last as there is room for. */
function newest(cookies: readonly Cookie[]): Cookie[] {
  let room = MAX_TOTAL;
  const kept: Cookie[] = [];
  for (const cookie of [...cookies].reverse().slice(0, MAX_COOKIES)) {
    room -= cookie.name.length + cookie.value.length;
    if (room < 0) break;
    kept.unshift(cookie);
  }
  return kept;
}

/** What storage has, if it is ours: anything else is as nothing. */
function restored(read: () => string | undefined): Cookie[] {
  try {
    const saved: unknown = JSON.parse(read() ?? "[]");
    return Array.isArray(saved) ? saved.filter(isCookie) : [];
  } catch {
    return [];
  }
}

function isCookie(it: unknown): it is Cookie {
  if (typeof it !== "object" || it === null) return false;
  const { name, value, path, expiresAt }: Partial<Record<keyof Cookie, unknown>> = it;
  const isText = [name, value, path].every((text) => typeof text === "string" && TEXT.test(text));
  return isText && name !== "" && !String(name).includes("=") && typeof expiresAt === "number";
}
