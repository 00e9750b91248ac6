/** What a link is told, checked once. */

import type { Bytes } from "../bytes.js";
import { XWING } from "../crypto/seam.js";
import { parsePublicKey, parseRootKey } from "../wire/keys.js";
import type { PublicKey } from "../wire/keys.js";
import type { ClientInfo } from "../wire/inner.js";
import type { Padding } from "../wire/padding.js";
import { areTags } from "../wire/validation.js";
import type { ExchangeEvent } from "./events.js";
import { BINDING_LENGTH } from "./memory.js";
import type { Platform } from "./platform.js";
import type { Store } from "./store.js";

/** Either `roots` or `keys` is needed. */
export interface LinkOptions {
  /** The link: the gateway's public origin, `https://gw.example.com`. */
  gateway: string;
  /** Root keys, `ed25519:<base64url>`: a directory that any of them has signed is trusted. */
  roots?: readonly string[];
  /** Gateway keys pinned instead, `x25519:<base64url>` or `xwing:<base64url>`, the preferred first; nothing is fetched. */
  keys?: readonly string[];
  /** Hybrid post-quantum gateway keys (X-Wing) only. */
  requirePq?: boolean;
  /** A SignedKeyDirectory shipped with the app, so that the first request needs no fetch. */
  directory?: Uint8Array;
  /** Where the directory, the rollback floor and the cookie binding outlive the page; else the platform's own. */
  store?: Store;
  /** 32 random bytes of the app's own keeping, in the place of those that are drawn and stored. */
  cookieBinding?: Uint8Array;
  /** The link's path at the gateway, if it is not `/_link`. */
  path?: string;
  /** `padme` hides lengths of requests, for at most 12 % more bytes (protocol, section 12). */
  padding?: Padding;
  /** What the gateway's logs and risk rules may know; at most 16 tags of at most 64 characters. */
  client?: ClientOptions;
  /** How long the gateway may be silent until the answer's head is there; 60,000 if not given, 0: for ever. */
  timeoutMs?: number;
  /** Allows an http gateway off loopback. The seal holds; sealed cookies do not work there. */
  insecureHttp?: boolean;
  /** Told once of each exchange, when it has ended. */
  onExchange?: (event: ExchangeEvent) => void;
  /** Told what costs no request, but should be known; `console.warn` if not given. */
  onWarning?: (text: string) => void;
}

export interface ClientOptions {
  /** The app's name and version. */
  app?: string;
  /** A random id of this install. */
  installId?: string;
  tags?: Readonly<Record<string, string>>;
}

/** Options, parsed. */
export interface Config {
  /** The origin, as the directory's `links` has it. */
  readonly link: string;
  readonly roots: readonly Bytes[];
  readonly pinned: readonly PublicKey[];
  readonly requirePq: boolean;
  readonly shipped: Uint8Array | undefined;
  readonly binding: Uint8Array | undefined;
  readonly path: string;
  readonly padding: Padding;
  readonly client: ClientInfo;
  readonly timeoutMs: number;
  /** Neither of the two throws. */
  readonly tell: (event: ExchangeEvent) => void;
  readonly warn: (text: string) => void;
}

const SDK = "js/1.0.0";
export const TIMEOUT_MS = 60_000;
const ORIGIN = /^(https?):\/\/([a-z\d.-]+|\[[\da-f:.]+\])(?::(\d{1,5}))?\/?$/i;
const LOOPBACK = /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const PATH = /^(?:\/[\w.~-]+)+$/;

/** Throws TypeError, saying what was expected. */
export function configure(options: LinkOptions, platform: Platform): Config {
  const { requirePq = false, directory: shipped, cookieBinding: binding, path = "/_link" } = options;
  const { padding = "none", timeoutMs = TIMEOUT_MS } = options;
  expect(PATH.test(path), `a path such as "/_link", not ${JSON.stringify(path)}`);
  expect(["none", "padme"].includes(padding), `padding "none" or "padme", not ${JSON.stringify(padding)}`);
  expect(timeoutMs >= 0 && timeoutMs <= 2 ** 31 - 1, `milliseconds as timeoutMs, not ${timeoutMs}`);
  expect(!binding || binding.length === BINDING_LENGTH, `${BINDING_LENGTH} bytes of cookieBinding`);
  const { roots, pinned } = trust(options);
  const warn = unharmed("onWarning", options.onWarning ?? toConsole, toConsole);
  return {
    link: origin(options.gateway, options.insecureHttp ?? false),
    ...{ roots, pinned, requirePq, shipped, binding, path, padding, timeoutMs },
    client: clientInfo(options.client ?? {}, platform.name),
    tell: unharmed("onExchange", options.onExchange, warn),
    warn,
  };
}

/** What is told to an app, and costs no request when it throws. */
export function unharmed<A extends unknown[]>(
  name: string,
  tell: ((...told: A) => void) | undefined,
  warn: (text: string) => void,
): (...told: A) => void {
  return (...told) => {
    try {
      tell?.(...told);
    } catch (error) {
      warn(`${name} has thrown: ${String(error)}`);
    }
  };
}

/** Without URL, which mini programs do not have. */
function origin(gateway: string, isInsecureAllowed: boolean): string {
  const parts: (string | undefined)[] = ORIGIN.exec(gateway) ?? [];
  const [, scheme = "", host = "", port] = parts.map((part) => part?.toLowerCase());
  expect(scheme !== "", `a gateway such as "https://gw.example.com", not ${JSON.stringify(gateway)}`);
  const isSafe = scheme === "https" || LOOPBACK.test(host) || isInsecureAllowed;
  expect(isSafe, `https: ${gateway} is plain http off loopback (insecureHttp allows it)`);
  const isDefault = port === undefined || Number(port) === (scheme === "https" ? 443 : 80);
  return `${scheme}://${host}${isDefault ? "" : `:${Number(port)}`}`;
}

function trust(options: LinkOptions): Pick<Config, "roots" | "pinned"> {
  const roots = listed(options.roots, "root keys").map(parseRootKey);
  const pinned = listed(options.keys, "gateway keys").map(parsePublicKey);
  expect(roots.length > 0 !== pinned.length > 0, "roots to trust, or gateway keys to pin instead of them");
  expect(pinned.length === 0 || !options.directory, "no directory beside pinned gateway keys");
  const isUsable = roots.length > 0 || !options.requirePq || pinned.some(({ kem }) => kem === XWING);
  expect(isUsable, "an X-Wing key among the pinned ones, since requirePq is set");
  return { roots, pinned };
}

/** Types are not everybody's. */
function listed(texts: readonly string[] = [], what: string): readonly string[] {
  const isList = Array.isArray(texts) && texts.every((text: unknown) => typeof text === "string");
  expect(isList, `a list of ${what}`);
  return texts;
}

function clientInfo({ app, installId, tags = {} }: ClientOptions, platform: string): ClientInfo {
  expect(areTags(tags), "at most 16 tags of at most 64 characters each");
  return { sdk: SDK, platform, app, installId, tags };
}

function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new TypeError(`expected ${what}`);
}

function toConsole(text: string): void {
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- not every runtime has one
  globalThis.console?.warn(`extproc-link: ${text}`);
}
