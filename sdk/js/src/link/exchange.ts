/**
 * One exchange over the link: choose a directory and key, seal, send, open, and at most one repeat.
 *
 * A request is sealed again only for what stands in `remedied`, and only within 60 s of the first sealing (protocol,
 * section 8). All sealings of a request have one exchange id, so that no two of them can run while the gateway
 * remembers it.
 */

import { LinkError } from "../errors.js";
import { throwIfAborted, unlessAborted } from "./abort.js";
import { attempt } from "./attempt.js";
import type { InnerAnswer, InnerCall } from "./call.js";
import type { Choice } from "./directories.js";
import { isInHand, isSafe, prepare, stamped } from "./errand.js";
import type { Errand, Stamp } from "./errand.js";
import { Trace, outcomeOf } from "./events.js";
import type { Fetching } from "./fetching.js";
import { since, sleep, uniform } from "./platform.js";
import type { Session } from "./session.js";

const REPEAT_WITHIN_MS = 60_000;
const SECOND_OR_SO_MS = [1000, 1500] as const;
/** 300 s that a store keeps an id, less 120 s and 30 s that an envelope may be old or early (section 8). */
const MAX_POSTDATED_MS = 150_000;

export class Exchange {
  readonly #session: Session;
  readonly #fetching: Fetching;
  readonly #call: InnerCall;
  readonly #trace: Trace;
  #isSent = false;

  constructor(session: Session, fetching: Fetching, call: InnerCall) {
    this.#session = session;
    this.#fetching = fetching;
    this.#call = call;
    const { platform, config } = session;
    this.#trace = new Trace(call, () => platform.monotonic(), config.tell);
  }

  async run(): Promise<InnerAnswer> {
    try {
      throwIfAborted(this.#call.signal);
      const choice = await this.#trace.time("directory", () => this.#unlessAborted(this.#fetching.choose()));
      const errand = await this.#unlessAborted(prepare(this.#session, this.#call, choice, this.#trace));
      this.#isSent = true;
      return await this.#twiceAtMost(errand);
    } catch (error) {
      this.#trace.end(outcomeOf(error, this.#isSent, this.#call.signal));
      throw error;
    }
  }

  async #twiceAtMost(errand: Errand): Promise<InnerAnswer> {
    try {
      return await attempt(this.#session, errand);
    } catch (first) {
      if (!(first instanceof LinkError)) throw first;
      const again = await this.#again(errand, first);
      if (again === undefined) throw first;
      this.#trace.event.repeated = true;
      return await attempt(this.#session, again).catch((second: unknown) => {
        throw told(first, second);
      });
    }
  }

  /** What to send now, or undefined: the failure stands. */
  async #again(errand: Errand, failure: LinkError): Promise<Errand | undefined> {
    if (!isInHand(errand.body) || !this.#isInTime(errand)) return undefined;
    const choice = await this.#unlessAborted(this.#remedied(errand, failure));
    const stamp = choice && this.#stampedAgain(errand);
    return stamp && { ...errand, choice, stamp, isRepeat: true };
  }

  /** What to seal the request to once more. */
  async #remedied(errand: Errand, { code }: LinkError): Promise<Choice | undefined> {
    const { directories, platform, offsetMs } = this.#session;
    if (code === "clock-skew") return offsetMs === errand.stamp.offsetMs ? undefined : directories.choice();
    if (code === "unknown-key") {
      return this.#trace.time("directory", () => this.#fetching.renew(errand.choice));
    }
    if (code === "unavailable") {
      const [least, most] = SECOND_OR_SO_MS;
      await sleep(platform, least + (most - least) * (await uniform(platform)));
      return directories.choice();
    }
    const isLost = code === "network" || code === "timeout";
    return isLost && (isSafe(errand) || errand.call.repeatable) ? directories.choice() : undefined;
  }

  /**
   * Stamps the second sealing, and sees that the gateway still knows its id when the first can run, and the other
   * way round. In this order: who falls asleep before the check fails it, after it has a stale stamp.
   */
  #stampedAgain(errand: Errand): Stamp | undefined {
    const stamp = stamped(this.#session);
    const isPostdated = errand.stamp.sentAtMs - stamp.sentAtMs > MAX_POSTDATED_MS; // it outlives the second's id
    return this.#isInTime(errand) && (isSafe(errand) || !isPostdated) ? stamp : undefined;
  }

  #isInTime({ startedAt }: Errand): boolean {
    return since(this.#session.platform, startedAt) <= REPEAT_WITHIN_MS;
  }

  #unlessAborted<T>(promise: Promise<T>): Promise<T> {
    return unlessAborted(this.#call.signal, promise);
  }
}

/**
 * Which failure of two to tell, the other as its cause or in its reason. What the first sealing may have done must
 * not be denied; and `replayed` is but the echo of the first, whose answer was lost.
 */
function told(first: LinkError, second: unknown): unknown {
  if (!(second instanceof LinkError)) return second;
  const { code, reason, fault, requestId } = second;
  if (first.outcomeUnknown && fault === "replayed") {
    const again = `${first.reason}; sealed once more, it failed again: ${second.message}`;
    return new LinkError(first.code, again, first);
  }
  const outcomeUnknown = first.outcomeUnknown || second.outcomeUnknown;
  return new LinkError(code, reason, { fault, requestId, outcomeUnknown, cause: first });
}
