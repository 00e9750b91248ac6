/** What can go wrong on the link, as users of `fetch` catch it. */

/** Outside the seal, before a request has opened (protocol, section 9): hearsay. */
export const PROBLEMS = [
  "unknown-key",
  "bad-envelope",
  "too-large",
  "media-type",
  "method",
  "origin",
] as const;

/** The gateway's sealed refusals (section 9): authentic. */
export const FAULTS = [
  "clock-skew",
  "replayed",
  "bad-request",
  "not-permitted",
  "response-too-large",
  "unavailable",
] as const;

/** The client's own. Each is one thing that can be wrong. */
export const TROUBLES = [
  "directory", // no key directory: none came, or what came is none
  "directory-unsigned", // no signature of a pinned root that holds
  "directory-untrusted", // signed by other roots only
  "directory-other-link",
  "directory-expired",
  "directory-early", // issued in the future, by the device's clock
  "directory-rolled-back", // a lower serial than one that was accepted, or the same with other bytes
  "directory-no-key", // none that may be used now
  "bad-response", // a sealed answer that does not open, or is malformed
  "truncated", // a streamed answer that ends before its end
  "gateway", // an error outside the seal
  "not-sealed", // a success outside the seal: of a captive portal, say
  "network", // no answer
  "timeout", // none in time
  "unsupported", // what this platform can't do
] as const;

export type Problem = (typeof PROBLEMS)[number];
export type Fault = (typeof FAULTS)[number];
export type LinkErrorCode = Problem | Fault | (typeof TROUBLES)[number];

export interface LinkErrorDetails {
  fault?: string | undefined;
  outcomeUnknown?: boolean | undefined;
  requestId?: string | undefined;
  cause?: unknown;
}

/** The link's own trouble. It is a TypeError, as what `fetch` throws, so that code written for that catches it. */
export class LinkError extends TypeError {
  override readonly name = "LinkError";
  readonly code: LinkErrorCode;
  /** A sentence for people; it holds no secret. */
  readonly reason: string;
  /** The gateway's sealed refusal, by its name on the wire; undefined for everything else. */
  readonly fault: string | undefined;
  /** Whether the request may have run, or may yet. False: it has not, and never will. */
  readonly outcomeUnknown: boolean;
  /** The exchange in the gateway's access log, if it has answered. */
  requestId: string | undefined;

  constructor(code: LinkErrorCode, reason: string, details: LinkErrorDetails = {}) {
    super(`${code}: ${reason}`, "cause" in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.reason = reason;
    this.fault = details.fault;
    this.outcomeUnknown = details.outcomeUnknown ?? false;
    this.requestId = details.requestId;
  }
}
