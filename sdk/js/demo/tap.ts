/** Follows what passes the tap. */

import type { Turn } from "./exchanges.js";
import { joined, type Bytes } from "./wire.js";

interface Piece {
  turn: number;
  way: "sent" | "received";
  size: number;
  kept: string; // base64
}

/** Calls `passed` with each turn, whenever there is more of it; resolves when the tap listens. */
export function follow(url: string, passed: (turn: Turn) => void): Promise<void> {
  const turns = new Map<number, Turn>();
  const source = new EventSource(url);
  source.addEventListener("message", (event: MessageEvent<string>) => {
    const piece = read(event.data);
    const turn = turns.get(piece.turn) ?? { number: piece.turn, sent: side(), received: side() };
    turns.set(piece.turn, turn);
    const grown = turn[piece.way];
    grown.size += piece.size;
    grown.kept = joined([grown.kept, decoded(piece.kept)]);
    passed(turn);
  });
  return new Promise((resolve) => {
    source.addEventListener("open", () => {
      resolve();
    });
  });
}

function side(): { kept: Bytes; size: number } {
  return { kept: new Uint8Array(), size: 0 };
}

function read(data: string): Piece {
  return JSON.parse(data) as Piece; // eslint-disable-line @typescript-eslint/no-unsafe-type-assertion -- of our own server
}

function decoded(base64: string): Bytes {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
