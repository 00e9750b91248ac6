/** A link to one gateway: every exchange goes sealed, or not at all. */

import type { Exchanger, InnerAnswer, InnerCall } from "./call.js";
import { Exchange } from "./exchange.js";
import { Fetching } from "./fetching.js";
import { configure } from "./options.js";
import type { LinkOptions } from "./options.js";
import type { Platform } from "./platform.js";
import { Session } from "./session.js";

export type { LinkOptions } from "./options.js";
export type { Platform } from "./platform.js";

/** Keeps keys and what is remembered for as long as it lives: make one for each gateway, and keep it. */
export class Link implements Exchanger {
  readonly #session: Session;
  readonly #fetching: Fetching;

  /** Throws TypeError for options that make no sense. */
  constructor(options: LinkOptions, platform: Platform) {
    this.#session = new Session(configure(options, platform), platform, options.store ?? platform.store);
    this.#fetching = new Fetching(this.#session);
  }

  /**
   * Carries one request over the link. Rejects with LinkError, with the signal's reason, or with what the body
   * itself throws.
   */
  exchange(call: InnerCall): Promise<InnerAnswer> {
    return new Exchange(this.#session, this.#fetching, call).run();
  }

  /**
   * At logout: the cookie binding, the link secret and all that is stored of the link are given up, here and, with
   * their next request, in the other pages of the origin. What the upstream keeps of the session is the app's to end.
   * Rejects when the store can't be emptied.
   */
  forget(): Promise<void> {
    return this.#session.forget();
  }
}
