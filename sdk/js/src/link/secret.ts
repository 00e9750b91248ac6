/** The link secret: drawn, reused within bounds, renewed (protocol, section 3). */

import { equal } from "../bytes.js";
import type { PublicKey } from "../wire/keys.js";
import { LinkSecret } from "../wire/secret.js";
import { moment, since } from "./platform.js";
import type { Moment, Platform } from "./platform.js";

const MAX_AGE_MS = 3_600_000;
const MAX_USES = 2 ** 20;

interface Drawn {
  readonly key: PublicKey;
  readonly secret: Promise<LinkSecret>;
  readonly drawnAt: Moment;
  uses: number;
}

/** Hands out the secret for each sealing; those at the same time share one that is still being drawn. */
export class Secrets {
  readonly #platform: Platform;
  #drawn: Drawn | undefined;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** A secret encapsulated to `key`, counted as used once more. Rejects when the key is none. */
  take(key: PublicKey): Promise<LinkSecret> {
    const held = this.#drawn;
    const drawn = held && this.#serves(held, key) ? held : this.#draw(key);
    drawn.uses += 1;
    return drawn.secret;
  }

  /** The next sealing draws another. */
  forget(): void {
    this.#drawn = undefined;
  }

  #serves(drawn: Drawn, key: PublicKey): boolean {
    const isYoung = since(this.#platform, drawn.drawnAt) < MAX_AGE_MS;
    const isSame = drawn.key.kem === key.kem && equal(drawn.key.raw, key.raw);
    return isSame && isYoung && drawn.uses < MAX_USES;
  }

  #draw(key: PublicKey): Drawn {
    const secret = LinkSecret.draw(this.#platform.crypto, key);
    const drawn = { key, secret, drawnAt: moment(this.#platform), uses: 0 };
    this.#drawn = drawn;
    secret.catch(() => {
      if (this.#drawn === drawn) this.#drawn = undefined;
    });
    return drawn;
  }
}
