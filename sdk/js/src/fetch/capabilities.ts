/** What the platform can do, found out once. */

let streams: boolean | undefined;

/**
 * Whether `fetch` takes a stream as a request's body. Where it does not, it never looks for `duplex`, or takes
 * the stream for text.
 */
export function canStreamRequests(): boolean {
  streams ??= tried();
  return streams;
}

function tried(): boolean {
  const asked: string[] = [];
  const init = {
    method: "POST",
    body: new ReadableStream(),
    get duplex() {
      asked.push("duplex");
      return "half";
    },
  };
  try {
    const isText = new Request("https://gateway.invalid/", init).headers.has("content-type");
    return asked.length > 0 && !isText;
  } catch {
    return false;
  }
}
