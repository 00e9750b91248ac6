/** From callbacks to an async iterable. */

/**
 * To be iterated over once. There is no backpressure, since the platform knows of none: what comes before it is read
 * is held.
 */
export class Pipe implements AsyncIterable<Uint8Array> {
  #held: Uint8Array[] = [];
  #isOver = false;
  #failure: Error | undefined;
  #wake: () => void = () => undefined;
  readonly #left: () => void;

  /** `left`: called when the reader goes before the end. */
  constructor(left: () => void) {
    this.#left = left;
  }

  push(data: ArrayBuffer): void {
    if (this.#isOver) return;
    this.#held.push(new Uint8Array(data));
    this.#wake();
  }

  /** Without a failure: it has ended well. */
  end(failure?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = failure;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      while (this.#held.length > 0 || !this.#isOver) {
        const held = this.#held.splice(0);
        if (held.length > 0) yield* held;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      this.#held = [];
      if (!this.#isOver) this.#left();
    }
  }
}
