/** Servers of tests, on free ports of loopback. */

import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server } from "node:net";

/** Begin to listen. */
export async function listen(server: Server): Promise<void> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
}

/** Host and port of a server that listens. */
export function authorityOf(server: Server): string {
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return `127.0.0.1:${address.port}`;
}
