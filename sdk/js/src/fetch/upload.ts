/** A body on its way out, as a stream that knows whether any of it has been asked for. */

import type { Bytes } from "../bytes.js";
import { nextData, type Pieces } from "./pieces.js";

export class Upload {
  readonly stream: ReadableStream<Bytes>;
  /** What the body itself has thrown: `fetch` does not say. */
  failure: unknown;
  readonly #pieces: Pieces;
  readonly #onProgress: ((sent: number) => void) | undefined;
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #sent = 0;
  #isGivenUp = false;

  constructor(pieces: Pieces, onProgress?: (sent: number) => void) {
    this.#pieces = pieces;
    this.#onProgress = onProgress;
    // Without a buffer of its own, so that it asks when it is asked, and not before.
    this.stream = new ReadableStream<Bytes>(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () => {
          this.#iterator?.return?.().catch(() => undefined);
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Whether none of the body was asked for; then none ever will be. */
  giveUp(): boolean {
    this.#isGivenUp = true;
    return this.#iterator === undefined;
  }

  async #pull(controller: ReadableStreamDefaultController<Bytes>): Promise<void> {
    if (this.#isGivenUp) throw new TypeError("given up");
    this.#iterator ??= this.#pieces[Symbol.asyncIterator]();
    try {
      const data = await nextData(this.#iterator);
      if (data === undefined) {
        controller.close();
        return;
      }
      controller.enqueue(new Uint8Array(data));
      this.#sent += data.length;
      this.#onProgress?.(this.#sent);
    } catch (error) {
      this.failure ??= error;
      throw error;
    }
  }
}
