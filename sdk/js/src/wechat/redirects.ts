/** Inner redirects, which `wx.request` follows unless it is told not to. */

import { LinkError } from "../errors.js";
import type { Exchanger, InnerAnswer, InnerCall } from "../link/call.js";
import {
  MOST_REDIRECTS,
  OF_BODY,
  OF_ORIGIN,
  afterRedirect,
  becomesGet,
  isRedirect,
  locationOf,
} from "../link/redirects.js";
import { resolve } from "./url.js";

/** The answer at the end of all redirects. They stay on the link, wherever they lead. */
export async function exchangeFollowing(link: Exchanger, first: InnerCall): Promise<InnerAnswer> {
  let call = first;
  for (let count = 0; count <= MOST_REDIRECTS; count += 1) {
    const answer = await (count === 0 ? link.exchange(call) : afterRedirect(link.exchange(call)));
    const next = following(call, answer);
    if (next === undefined) return answer;
    await answer.body[Symbol.asyncIterator]().return?.();
    call = next;
  }
  throw new LinkError("network", `over ${MOST_REDIRECTS} redirects`, { outcomeUnknown: true });
}

/** What the answer has us ask next; undefined: nothing, or nothing that can be. */
function following(call: InnerCall, { status, headers }: InnerAnswer): InnerCall | undefined {
  const location = locationOf(headers);
  const target = isRedirect(status) && location !== undefined ? resolve(call, location) : undefined;
  if (target === undefined) return undefined;
  const next = { ...call, ...target };
  if (target.authority !== call.authority || target.scheme !== call.scheme) {
    next.headers = next.headers.filter(([name]) => !OF_ORIGIN.has(name));
  }
  return becomesGet(status, call.method) ? withoutBody(next) : next;
}

function withoutBody(call: InnerCall): InnerCall {
  const headers = call.headers.filter(([name]) => !OF_BODY.has(name));
  return { ...call, method: "GET", headers, body: null, length: 0 };
}
