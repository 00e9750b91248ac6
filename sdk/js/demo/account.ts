/** Login and logout by cookies that no script can read. */

import type { Client, Reply } from "./client.js";
import type { WayName } from "./exchanges.js";
import { control, get, tell } from "./dom.js";
import { isRecord } from "./shelf.js";

/** Says that a plain session was begun, whose cookie the browser would send beside every envelope from then on. */
const PLAIN_SESSION = "plain-session";

export class Account {
  readonly #client: Client;
  readonly #form = get("account", HTMLFormElement);
  readonly #outcome = get("account-outcome", HTMLElement);

  constructor(client: Client) {
    this.#client = client;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#attempt(() => this.#signIn());
    });
    this.#on("who", () => this.#who());
    this.#on("sign-out", () => this.#signOut());
  }

  /** End a plain session, of before a turn or a reload. */
  async leavePlain(): Promise<void> {
    tell(this.#outcome, "");
    if (!localStorage.getItem(PLAIN_SESSION)) return;
    localStorage.removeItem(PLAIN_SESSION);
    await this.#client.sendBy("plain", { method: "POST", path: "/logout" });
  }

  #on(id: string, act: () => Promise<void>): void {
    get(id, HTMLButtonElement).addEventListener("click", () => {
      void this.#attempt(act);
    });
  }

  async #attempt(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      tell(this.#outcome, String(error), "bad");
    }
  }

  async #signIn(): Promise<void> {
    const user = control(this.#form, "user", HTMLInputElement).value;
    const headers = { "content-type": "application/json" };
    const { way } = this.#client;
    if (way === "plain") localStorage.setItem(PLAIN_SESSION, "1");
    const reply = await this.#client.send({
      method: "POST",
      path: "/login",
      headers,
      body: JSON.stringify({ user }),
    });
    if (reply.status === 200) tell(this.#outcome, `Signed in as ${nameIn(reply)}. ${KEPT[way]}`);
    else tell(this.#outcome, `The shop says ${reply.status}.`, "bad");
  }

  async #who(): Promise<void> {
    const reply = await this.#client.send({ method: "GET", path: "/me" });
    if (reply.status === 200) tell(this.#outcome, `You are ${nameIn(reply)}, by your cookie.`);
    else tell(this.#outcome, "You are not signed in.");
  }

  async #signOut(): Promise<void> {
    await this.#client.send({ method: "POST", path: "/logout" });
    if (this.#client.way === "plain") localStorage.removeItem(PLAIN_SESSION);
    else await this.#client.forget();
    tell(this.#outcome, "Signed out.");
  }
}

const KEPT: Record<WayName, string> = {
  sealed: "Two cookies were set; the browser keeps ciphertext.",
  plain: "Two cookies were set; whoever reads the wire can use them.",
};

function nameIn({ data }: Reply): string {
  return isRecord(data) ? String(data["user"]) : "";
}
