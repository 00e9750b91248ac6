/** A mini program's side of a test: requests with callbacks, awaited. */

import type { LinkFailure, RequestOptions, RequestResult, RequestTask, Wx } from "../../src/wechat/wx.js";

/** What `success` was given. Rejects with what `fail` was, as it stands. `hold`: told of the task. */
export function asked(
  request: Wx["request"],
  options: RequestOptions,
  hold?: (task: RequestTask) => void,
): Promise<RequestResult> {
  return new Promise((resolve, reject) => {
    const task = request({
      ...options,
      success: resolve,
      fail: (failure) => {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the platform's failures are no Errors
        reject(failure);
      },
    });
    hold?.(task);
  });
}

/** What `fail` was given. */
export async function failed(request: Wx["request"], options: RequestOptions): Promise<LinkFailure> {
  try {
    const { statusCode } = await asked(request, options);
    throw new Error(`answered ${statusCode}`);
  } catch (failure) {
    if (isFailure(failure)) return failure;
    throw failure;
  }
}

function isFailure(it: unknown): it is LinkFailure {
  return typeof it === "object" && it !== null && "errMsg" in it && "outcomeUnknown" in it;
}
