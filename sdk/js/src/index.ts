/** The link for pages: `fetch`, sealed. */

export { createEventSource, type LinkEventSource, type LinkEventSourceInit } from "./fetch/eventsource.js";
export { createLinkFetch, type LinkFetch, type LinkFetchOptions } from "./fetch/linkfetch.js";
export type { LinkRequestInit, UploadProgress } from "./fetch/asked.js";
export { LinkError, type LinkErrorCode } from "./errors.js";
export type { ExchangeEvent } from "./link/events.js";
export type { ClientOptions, LinkOptions } from "./link/options.js";
export { keyValueStore, memoryStore, type KeyValue, type Store } from "./link/store.js";
export { webStorageStore } from "./link/webstore.js";
