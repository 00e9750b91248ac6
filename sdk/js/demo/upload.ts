/** A file on its way to the shop, which answers with its hash. */

import type { Client } from "./client.js";
import { bytes, control, get, tell } from "./dom.js";
import { isRecord } from "./shelf.js";

const SAMPLE = 20_000_000;
const MOST_RANDOM = 65_536; // bytes that getRandomValues gives at once

export class Upload {
  readonly #client: Client;
  readonly #form = get("upload", HTMLFormElement);
  readonly #progress = get("progress", HTMLProgressElement);
  readonly #cancel = get("cancel", HTMLButtonElement);
  readonly #outcome = get("upload-outcome", HTMLElement);

  constructor(client: Client) {
    this.#client = client;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    const chosen = control(this.#form, "file", HTMLInputElement).files?.[0];
    const blob = chosen ?? sample();
    const stop = new AbortController();
    this.#cancel.onclick = () => {
      stop.abort();
    };
    this.#running(true);
    tell(this.#outcome, `Sending ${bytes(blob.size)} …`);
    try {
      await this.#put(chosen?.name ?? "random.bin", blob, stop.signal);
    } catch (error) {
      if (stop.signal.aborted) tell(this.#outcome, "Canceled: the shop has nothing of it.");
      else tell(this.#outcome, `Not sent. ${String(error)}`, "bad");
    } finally {
      this.#running(false);
    }
  }

  async #put(name: string, body: Blob, signal: AbortSignal): Promise<void> {
    const onProgress = (share: number): void => {
      this.#progress.value = share;
    };
    const path = `/uploads/${encodeURIComponent(name)}`;
    const headers = { "content-type": "application/octet-stream" };
    const [{ data }, here] = await Promise.all([
      this.#client.send({ method: "PUT", path, headers, body, signal, onProgress }),
      body.arrayBuffer().then(sha256),
    ]);
    const there = isRecord(data) ? String(data["sha256"]) : "";
    if (here === there)
      tell(this.#outcome, `${bytes(body.size)} arrived. SHA-256 is ${here.slice(0, 12)}… here and there.`);
    else tell(this.#outcome, "What arrived is something else.", "bad");
  }

  #running(isRunning: boolean): void {
    this.#progress.value = 0;
    this.#progress.hidden = !isRunning;
    this.#cancel.disabled = !isRunning;
    for (const button of this.#form.querySelectorAll<HTMLButtonElement>("[type=submit]"))
      button.disabled = isRunning;
  }
}

function sample(): Blob {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let left = SAMPLE; left > 0; left -= MOST_RANDOM) {
    parts.push(crypto.getRandomValues(new Uint8Array(Math.min(left, MOST_RANDOM))));
  }
  return new Blob(parts);
}

async function sha256(data: ArrayBuffer): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
