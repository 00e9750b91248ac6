/** axios over the link: an adapter for its instances. */

import type {
  AxiosAdapter,
  AxiosError,
  AxiosProgressEvent,
  AxiosResponse,
  AxiosStatic,
  InternalAxiosRequestConfig,
} from "axios";

import type { LinkRequestInit, UploadProgress } from "../fetch/asked.js";
import type { Fetch } from "../fetch/exchange.js";
import { Deadline } from "./deadline.js";

/** What is taken of axios, so that its own classes are thrown and nothing of it is bundled. */
export type Axios = Pick<AxiosStatic, "AxiosError" | "AxiosHeaders" | "CanceledError" | "getUri">;

/**
 * For axios 1.7 and later:
 *
 *     const shop = axios.create({ adapter: linkAdapter(linkFetch, axios), baseURL: "https://shop.example.com" });
 *
 * Failures are AxiosErrors as ever; one of the link has the LinkError as its `cause`.
 */
export function linkAdapter(linkFetch: Fetch, axios: Axios): AxiosAdapter {
  return async (config: Config) => {
    const deadline = new Deadline(config, axios);
    let request: (LinkRequestInit & { url: string }) | undefined;
    try {
      request = { url: axios.getUri(config), ...initOf(config, axios, deadline.signal) };
      const response = await linkFetch(request.url, request);
      return settled({ ...(await answerOf(response, config, axios)), request }, axios);
    } catch (error) {
      throw failureOf(deadline.signal.aborted ? deadline.signal.reason : error, config, request, axios);
    } finally {
      deadline.end(config.responseType === "stream");
    }
  };
}

/** By now the transformations of axios have made a body of its data. */
export type Config = InternalAxiosRequestConfig<BodyInit | null | undefined>;

function failureOf(error: unknown, config: Config, request: unknown, { AxiosError }: Axios): AxiosError {
  const cause = error instanceof Error ? error : new Error(String(error));
  if (!(cause instanceof AxiosError)) return AxiosError.from(cause, AxiosError.ERR_NETWORK, config, request);
  cause.request ??= request;
  return cause;
}

function initOf(config: Config, axios: Axios, signal: AbortSignal): LinkRequestInit {
  const method = (config.method ?? "get").toUpperCase();
  const body = method === "GET" || method === "HEAD" ? null : (config.data ?? null);
  const onUploadProgress = config.onUploadProgress && progress("upload", config.onUploadProgress);
  return {
    ...config.fetchOptions,
    method,
    headers: headersOf(config, axios, body),
    body,
    ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
    ...(onUploadProgress ? { onUploadProgress } : {}),
    credentials: config.withCredentials ? "include" : "same-origin",
    signal,
  };
}

function headersOf(config: Config, axios: Axios, body: BodyInit | null): Headers {
  const headers = new Headers();
  const given = axios.AxiosHeaders.from(config.headers).toJSON(true);
  for (const [name, value] of Object.entries(given)) headers.set(name, value);
  // Without a body there is no type; and that of a form has the boundary, which is not made yet.
  if (body === null || body instanceof FormData) headers.delete("content-type");
  if (config.auth) {
    const { username, password } = config.auth; // either may be missing, whatever the types say
    const pair = new TextEncoder().encode([username, password].join(":"));
    headers.set("authorization", `Basic ${btoa(String.fromCharCode(...pair))}`);
  }
  return headers;
}

async function answerOf(response: Response, config: Config, axios: Axios): Promise<AxiosResponse<unknown>> {
  const { status, statusText, headers } = response;
  const data = await dataOf(counted(response, config), config, axios);
  return { data, status, statusText, headers: new axios.AxiosHeaders(Object.fromEntries(headers)), config };
}

async function dataOf(response: Response, config: Config, axios: Axios): Promise<unknown> {
  switch (config.responseType) {
    case "arraybuffer":
      return response.arrayBuffer();
    case "blob":
      return response.blob();
    case "formdata":
      return response.formData();
    case "stream":
      return response.body;
    case "document": {
      const { AxiosError } = axios;
      throw new AxiosError("documents are not parsed here", AxiosError.ERR_NOT_SUPPORT, config);
    }
    default:
      return response.text(); // which axios parses if it is JSON
  }
}

/** The response, telling how it comes in. */
function counted(response: Response, config: Config): Response {
  if (!config.onDownloadProgress || !response.body) return response;
  const { headers } = response;
  const length = headers.has("content-encoding") ? null : headers.get("content-length");
  const report = progress("download", config.onDownloadProgress);
  const total = length === null ? {} : { total: Number(length) };
  let loaded = 0;
  const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform: (piece, controller) => {
      loaded += piece.length;
      controller.enqueue(piece);
      report({ loaded, ...total });
    },
  });
  return new Response(response.body.pipeThrough(counter), { headers });
}

function progress(
  direction: "upload" | "download",
  listener: (event: AxiosProgressEvent) => void,
): (progress: UploadProgress) => void {
  const begun = performance.now();
  let before = 0;
  return ({ loaded, total }) => {
    const rate = (loaded * 1000) / Math.max(1, performance.now() - begun);
    const known = total ? { total, progress: loaded / total, estimated: (total - loaded) / rate } : {};
    const bytes = loaded - before;
    before = loaded;
    listener({ loaded, ...known, bytes, rate, lengthComputable: total !== undefined, [direction]: true });
  };
}

function settled(response: AxiosResponse<unknown>, axios: Axios): AxiosResponse<unknown> {
  const { status, config } = response;
  if (!config.validateStatus || config.validateStatus(status)) return response;
  const { AxiosError } = axios;
  const code = status >= 400 && status < 500 ? AxiosError.ERR_BAD_REQUEST : AxiosError.ERR_BAD_RESPONSE;
  throw new AxiosError(`Request failed with status code ${status}`, code, config, response.request, response);
}
