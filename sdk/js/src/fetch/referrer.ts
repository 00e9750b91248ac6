/** The inner `referer` (Referrer Policy, 8.3), which no outer request ever has. */

/**
 * Only where the call names a referrer, or a service worker has the page's request: which policy the page itself
 * has, no script is told, and it may be that nobody is to know where the user is.
 */
export function refererOf(request: Request, url: URL): string | undefined {
  if (!/^https?:/.test(request.referrer)) return undefined;
  const from = stripped(new URL(request.referrer));
  const isSame = from.origin === url.origin;
  const isDowngrade = from.protocol === "https:" && url.protocol === "http:";
  const origin = `${from.origin}/`;
  switch (request.referrerPolicy) {
    case "no-referrer":
      return undefined;
    case "unsafe-url":
      return from.href;
    case "origin":
      return origin;
    case "origin-when-cross-origin":
      return isSame ? from.href : origin;
    case "same-origin":
      return isSame ? from.href : undefined;
    case "no-referrer-when-downgrade":
      return isDowngrade ? undefined : from.href;
    case "strict-origin":
      return isDowngrade ? undefined : origin;
    default:
      return isDowngrade ? undefined : isSame ? from.href : origin;
  }
}

function stripped(url: URL): URL {
  url.username = url.password = url.hash = "";
  return url;
}
