/** The platform of browsers, and of Node: all that the link asks of the world. */

import { webCrypto } from "../crypto/webcrypto.js";
import { timer, type Platform } from "../link/platform.js";
import { memoryStore, type Store } from "../link/store.js";
import { indexedDbStore, webStorageStore } from "../link/webstore.js";
import { browserCarrier } from "./carrier.js";

export function browserPlatform(): Platform {
  return {
    name: isBrowser() ? "browser" : "node",
    crypto: webCrypto(),
    carrier: browserCarrier(),
    store: ownStore(),
    now: () => Date.now(),
    monotonic: () => performance.now(),
    timer,
  };
}

function isBrowser(): boolean {
  return "document" in globalThis || "WorkerGlobalScope" in globalThis;
}

/** What there is: to touch storage that the user has forbidden throws. */
function ownStore(): Store {
  if (!isBrowser()) return memoryStore();
  const database = allowed(() => globalThis.indexedDB);
  if (database) return indexedDbStore(database);
  const storage = allowed(() => globalThis.localStorage);
  return storage ? webStorageStore(storage) : memoryStore();
}

function allowed<T>(touch: () => T): T | undefined {
  try {
    return touch();
  } catch {
    return undefined;
  }
}
