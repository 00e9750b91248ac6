/** inner-validation: what a client may check before it seals, as the gateway does when it has opened. */

import { validateRequest } from "../../../src/wire/validation.js";
import { isValid, refused, same } from "../expect.js";
import type { Check } from "../expect.js";
import { innerRequest } from "../reading.js";

export const innerValidation: Check = async (vector) => {
  const inputs = vector.get("inputs");
  const rules = {
    linkPath: inputs.get("rules").get("link_path").text,
    allowEncodedSlash: inputs.get("rules").get("allow_encoded_slash").flag,
  };
  const validate = () => validateRequest(innerRequest(inputs.get("inner")), rules);
  if (isValid(vector)) same(validate(), vector.get("output").get("path").text, "path");
  else await refused(vector.get("output").get("error").text, validate);
  return undefined;
};
