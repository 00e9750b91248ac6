/** Outer requests on their way, and the loss of the connection by its name. */

import { LinkError } from "../errors.js";
import { unlessAborted } from "./abort.js";
import type { Lifeline } from "./abort.js";
import type { AbortSignalLike, Carrier, OuterAnswer, OuterRequest } from "./carrier.js";

/**
 * The answer to one outer request, as far as its head. Rejects with the lifeline's reason once that is cut, at
 * whatever point, and closes the exchange; with LinkError("network") for what the carrier says, outcome unknown.
 */
export async function send(carrier: Carrier, outer: OuterRequest, lifeline: Lifeline): Promise<OuterAnswer> {
  const { signal } = lifeline;
  const sending = Promise.resolve({ ...outer, signal }).then((request) => carrier.send(request));
  sending.then(closingWith(signal)).catch(() => undefined); // what is wrong, `sending` says below
  try {
    const answer = await unlessAborted(signal, sending);
    lifeline.touch();
    return {
      status: answer.status,
      header: (name) => answer.header(name),
      body: alive(answer.body, lifeline),
      cancel: () => {
        lifeline.cut(new LinkError("truncated", "it was left unread"));
      },
    };
  } catch (error) {
    throw signal.aborted ? signal.reason : broken(error);
  }
}

/** Closes an answer when the signal says so: in the middle of a read too, and when nobody waits for it any more. */
function closingWith(signal: AbortSignalLike): (answer: OuterAnswer) => void {
  return (answer) => {
    const close = (): void => {
      answer.cancel();
    };
    if (signal.aborted) close();
    else signal.addEventListener("abort", close);
  };
}

/** Its pieces as they come; throws as `send` does. */
async function* alive(
  body: AsyncIterable<Uint8Array>,
  lifeline: Lifeline,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = lifeline;
  const pieces = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const piece = await unlessAborted(signal, pieces.next());
      lifeline.touch();
      if (piece.done) return;
      yield piece.value;
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : broken(error);
  }
}

function broken(cause: unknown): LinkError {
  if (cause instanceof LinkError) return cause;
  const reason = "the gateway was not reached, or the connection broke";
  return new LinkError("network", reason, { outcomeUnknown: true, cause });
}
