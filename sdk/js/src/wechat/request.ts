/** `wx.request` over the link. */

import { Gathering } from "../bytes.js";
import { LinkError } from "../errors.js";
import type { Exchanger, Field, InnerAnswer, InnerCall } from "../link/call.js";
import { Link } from "../link/link.js";
import type { LinkOptions } from "../link/options.js";
import { DEFAULT_CONTENT_TYPE, fromBody, toBody, toBuffer, toQuery } from "./data.js";
import { toFields, toHead } from "./fields.js";
import { wechatPlatform } from "./platform.js";
import { exchangeFollowing } from "./redirects.js";
import { LinkTask } from "./task.js";
import { addQuery, parseUrl } from "./url.js";
import type { RequestOptions, RequestResult, Wx } from "./wx.js";

const TIMEOUT_MS = 60_000; // of `wx.request`, for all of a request

/** `wx.request`, with its own type; and what ends a session. */
export type LinkRequest<W extends Wx = Wx> = W["request"] & {
  /** At logout: the link's cookies, the cookie binding and what else is stored of the link. */
  forget(): Promise<void>;
};

/**
 * A function that is `wx.request`, with each exchange sealed. Make one for each link, and keep it. `wx` is the platform's own.
 * Throws TypeError for options that make no sense.
 */
export function createLinkRequest<W extends Wx>(wx: W, options: LinkOptions): LinkRequest<W> {
  const { platform, jar } = wechatPlatform(wx, options.gateway);
  const link = new Link(options, platform);
  const request: Wx["request"] = (asked) => {
    const task = new LinkTask(asked);
    const timeoutMs = asked.timeout ?? options.timeoutMs ?? TIMEOUT_MS;
    const expire = (): void => {
      task.expire(timeoutMs);
    };
    const disarm = timeoutMs > 0 ? platform.timer(timeoutMs, expire) : undefined;
    void perform(link, asked, task).finally(disarm);
    return task;
  };
  const forget = async (): Promise<void> => {
    try {
      jar.clear();
    } finally {
      await link.forget();
    }
  };
  return Object.assign(request, { forget });
}

async function perform(link: Exchanger, options: RequestOptions, task: LinkTask): Promise<void> {
  try {
    const call = toCall(options, task);
    const isManual = options.redirect === "manual";
    const answer = await (isManual ? link.exchange(call) : exchangeFollowing(link, call));
    task.succeed(await received(answer, options, task));
  } catch (error) {
    task.fail(error);
  }
}

function toCall(options: RequestOptions, task: LinkTask): InnerCall {
  const method = (options.method ?? "GET").toUpperCase();
  const target = parseUrl(options.url);
  if (target === undefined) {
    throw new LinkError("bad-request", "expected an absolute http or https URL, without a user in it");
  }
  const headers = toFields(options.header);
  const contentType = headers.find(([name]) => name === "content-type")?.[1] ?? DEFAULT_CONTENT_TYPE;
  const hasBody = method !== "GET" && method !== "HEAD";
  const { query, body } = encoded(options.data, hasBody ? contentType : undefined);
  return {
    method,
    ...addQuery(target, query),
    headers: [...headers.filter(([name]) => name !== "content-type"), ...ofTheBody(contentType, body)],
    body,
    ...(body === null ? {} : { length: body.length }),
    credentials: "include",
    signal: task.signal,
    timeoutMs: 0, // the task has one of its own
  };
}

/** `contentType`: of the body; undefined: there is to be none. Throws LinkError for what can't be encoded. */
function encoded(
  data: RequestOptions["data"],
  contentType: string | undefined,
): { query: string; body: Uint8Array | null } {
  try {
    if (contentType === undefined) return { query: toQuery(data), body: null };
    return { query: "", body: toBody(data, contentType) };
  } catch (error) {
    throw new LinkError("bad-request", `data: ${String(error)}`);
  }
}

function ofTheBody(contentType: string, body: Uint8Array | null): Field[] {
  const type: Field = ["content-type", contentType];
  return body === null ? [type] : [type, ["content-length", String(body.length)]];
}

/** All of it; with `enableChunked`, piece by piece as it opens, and nothing at the end, as with the platform. */
async function received(
  answer: InnerAnswer,
  options: RequestOptions,
  task: LinkTask,
): Promise<RequestResult> {
  const head = toHead(answer.status, answer.headers);
  task.heads.tell(head);
  const whole = new Gathering();
  for await (const piece of answer.body) {
    if (options.enableChunked) task.chunks.tell({ data: toBuffer(piece) });
    else whole.add(piece);
  }
  return { ...head, data: fromBody(whole.bytes, options), errMsg: "request:ok" };
}
