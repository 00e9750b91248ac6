/** The link for WeChat's mini programs. */

export { LinkError } from "../errors.js";
export type { LinkErrorCode } from "../errors.js";
export type { ExchangeEvent } from "../link/events.js";
export type { LinkOptions } from "../link/options.js";
export { createLinkRequest } from "./request.js";
export type { LinkRequest } from "./request.js";
export { installLink } from "./install.js";
export type { Installed, InstallOptions } from "./install.js";
export type { LinkFailure, RequestOptions, RequestResult, RequestTask, Wx } from "./wx.js";
