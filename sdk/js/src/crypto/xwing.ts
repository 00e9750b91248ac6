/** X-Wing for @hpke/core: a module of its own, so that it is loaded when a directory asks for it. */

import { XWing } from "@hpke/hybridkem-x-wing";
import type { KemInterface } from "@hpke/core";

export function xWing(): KemInterface {
  return new XWing();
}
