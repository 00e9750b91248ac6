/**
 * Getting a directory to go by (protocol, sections 9 and 11).
 *
 * One fetch at a time: the exchanges that can't go on without wait for it together, and share its failure; those
 * that can, go on.
 */

import { equal } from "../bytes.js";
import type { Bytes } from "../bytes.js";
import { LinkError } from "../errors.js";
import { Lifeline } from "./abort.js";
import type { Choice } from "./directories.js";
import { TIMEOUT_MS } from "./options.js";
import { signedDirectory } from "./outer.js";
import { sleep, uniform } from "./platform.js";
import { send } from "./sending.js";
import { Shared } from "./session.js";
import type { Session } from "./session.js";

const JITTER_MS = 1000; // before a fetch that every client may be making now

export class Fetching {
  readonly #session: Session;
  readonly #shared = new Shared();

  constructor(session: Session) {
    this.#session = session;
  }

  /** A directory and a key of it, fetched if need be. Rejects with LinkError: nothing was sent. */
  async choose(): Promise<Choice> {
    const { directories } = this.#session;
    await this.#session.sync();
    if (directories.choice() && directories.takeTurn()) void this.#refresh(directories.isBehind);
    return directories.choice() ?? (await this.#obtain());
  }

  /** After `unknown-key`: what to seal to now, if that is a key that the directory sealed under did not have. */
  async renew(refused: Choice): Promise<Choice | undefined> {
    const { directories } = this.#session;
    await this.#settled();
    if (isSame(directories.choice(), refused)) {
      if (directories.mayAsk()) await this.#refresh(true, true);
      else await this.#settled(); // another has asked at the same time
    }
    const choice = directories.choice();
    const isHad = refused.directory.keys.some(({ key }) => choice && equal(key.raw, choice.key.raw));
    return isHad ? undefined : choice;
  }

  async #settled(): Promise<void> {
    await this.#shared.running?.catch(() => undefined);
  }

  async #obtain(): Promise<Choice> {
    const { directories } = this.#session;
    await this.#fetch(directories.seen.size > 0, !directories.isFirst);
    const choice = directories.choice();
    if (choice) return choice;
    throw new LinkError("directory-no-key", "no key of the directory can be used now");
  }

  async #refresh(isFresh: boolean, isJittered = false): Promise<void> {
    try {
      await this.#fetch(isFresh, isJittered);
    } catch (error) {
      const { link, warn } = this.#session.config;
      warn(`the directory of ${link} was not refreshed: ${String(error)}`);
    }
  }

  /** Fetch, verify, remember. `isFresh`: past HTTP caches. */
  #fetch(isFresh: boolean, isJittered: boolean): Promise<void> {
    const { platform, directories } = this.#session;
    return this.#shared.run(async () => {
      if (isJittered) await sleep(platform, JITTER_MS * (await uniform(platform)));
      await directories.accept(await this.#fetched(isFresh), { isFetched: true });
      await this.#session.save();
    });
  }

  /** Rejects with LinkError: nothing of the caller's has left. */
  async #fetched(isFresh: boolean): Promise<Bytes> {
    const { platform, config } = this.#session;
    const lifeline = new Lifeline(platform, config.timeoutMs || TIMEOUT_MS);
    const url = `${config.link}${config.path}/keys`;
    try {
      const outer = { method: "GET", url, headers: {}, credentials: "omit", fresh: isFresh } as const;
      return await signedDirectory(await send(platform.carrier, outer, lifeline));
    } catch (error) {
      if (!(error instanceof LinkError) || !error.outcomeUnknown) throw error;
      throw new LinkError(error.code, `the key directory was not fetched: ${error.reason}`, { cause: error });
    } finally {
      lifeline.end();
    }
  }
}

/** Or nothing at all. */
function isSame(choice: Choice | undefined, refused: Choice): boolean {
  return !choice || (choice.directory === refused.directory && equal(choice.key.raw, refused.key.raw));
}
