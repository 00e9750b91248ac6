/** Media types (protocol, sections 6 and 10). */

import type { Form } from "./segments.js";

export const MEDIA_WHOLE = "application/privatelink";
export const MEDIA_STREAM = "application/privatelink-stream";
export const MEDIA_KEYS = "application/privatelink-keys";

/** The media type of a content type, parameters apart. */
export function mediaType(contentType: string | undefined): string {
  const [type = ""] = (contentType ?? "").split(";", 1);
  return type.replace(/^[ \t]+|[ \t]+$/g, "");
}

/** The form that a content type names, compared exactly. */
export function mediaForm(contentType: string | undefined): Form | undefined {
  const type = mediaType(contentType);
  if (type === MEDIA_WHOLE) return "whole";
  return type === MEDIA_STREAM ? "streamed" : undefined;
}
