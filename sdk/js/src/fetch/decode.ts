/** Content codings of inner answers (RFC 9110, 8.4), as far as the platform decodes them. */

import { nextData, piecesOf, type Pieces } from "./pieces.js";

function canDecode(): boolean {
  return "DecompressionStream" in globalThis;
}

/** For `accept-encoding`. */
export function codings(): string {
  return canDecode() ? "gzip, deflate" : "identity";
}

/** The body without its codings. As it came, if there is one that was not asked for, as with `fetch`. */
export function decoded(body: Pieces, contentEncoding: string | null): Pieces {
  const names = (contentEncoding ?? "").split(",").map((name) => name.trim().toLowerCase());
  const applied = names.filter((name) => name !== "" && name !== "identity");
  if (!canDecode() || !applied.every((name) => Object.hasOwn(FORMATS, name))) return body;
  return applied.reduceRight((inner, name) => inflated(inner, name), body);
}

const FORMATS: Record<string, (first: number) => CompressionFormat> = {
  gzip: () => "gzip",
  "x-gzip": () => "gzip",
  // It is zlib's format; some servers leave out its header, which has 8 as its low bits (RFC 1950, 2.2).
  deflate: (first) => ((first & 0x0f) === 8 ? "deflate" : "deflate-raw"),
};

/** An empty body is one, whatever its coding says. */
async function* inflated(body: Pieces, name: string): Pieces {
  const iterator = body[Symbol.asyncIterator]();
  const first = await nextData(iterator);
  const format = FORMATS[name]?.(first?.[0] ?? 0);
  if (first === undefined || format === undefined) return;
  const stream = new ReadableStream<BufferSource>(source(first, iterator), { highWaterMark: 0 });
  try {
    yield* piecesOf(stream.pipeThrough(new DecompressionStream(format)));
  } catch (error) {
    throw error instanceof TypeError ? error : new TypeError(`can't decode ${name}`, { cause: error });
  }
}

function source(
  first: Uint8Array,
  iterator: AsyncIterator<Uint8Array>,
): UnderlyingDefaultSource<BufferSource> {
  return {
    start: (controller) => {
      controller.enqueue(new Uint8Array(first));
    },
    pull: async (controller) => {
      const data = await nextData(iterator);
      if (data === undefined) controller.close();
      else controller.enqueue(new Uint8Array(data));
    },
    cancel: () => {
      iterator.return?.().catch(() => undefined);
    },
  };
}
