// fetch, Headers, Request and Response as node-fetch 2 gives them to functions. The request itself is the parent's work.

import { Buffer } from "buffer";
import { bytesOf } from "./encoding";
import { tell } from "./host";

const REDIRECTS = [301, 302, 303, 307, 308];
const SHOWN = 1_000;

type Pairs = [string, string][];

export class FetchError extends Error {
  readonly type: string;
  readonly code?: string;
  readonly errno?: string;

  constructor(message: string, type: string, code?: string) {
    super(message);
    this.type = type;
    if (code !== undefined) this.code = this.errno = code;
  }
}
Object.defineProperty(FetchError.prototype, "name", { value: "FetchError", writable: true, configurable: true });

export class Headers {
  #pairs: Pairs = [];

  constructor(from?: unknown) {
    if (from === undefined || from === null) return;
    if (typeof from !== "object") throw new TypeError("Headers are made from an object or pairs of name and value.");
    const iterable = typeof (from as Iterable<unknown>)[Symbol.iterator] === "function";
    const pairs = iterable ? Array.from(from as Iterable<unknown>, (pair) => Array.from(pair as Iterable<unknown>)) : Object.entries(from);
    for (const [name, value] of pairs) {
      if (Array.isArray(value)) value.forEach((one) => this.append(String(name), one));
      else this.append(String(name), value);
    }
  }

  append(name: string, value: unknown): void {
    this.#pairs.push([checkedName(name), checkedValue(value)]);
  }

  set(name: string, value: unknown): void {
    const key = checkedName(name).toLowerCase();
    const text = checkedValue(value);
    const first = this.#pairs.findIndex(([known]) => known.toLowerCase() === key);
    this.#pairs = this.#pairs.filter(([known], at) => at === first || known.toLowerCase() !== key);
    if (first < 0) this.#pairs.push([name, text]);
    else this.#pairs[first]![1] = text;
  }

  get(name: string): string | null {
    const key = checkedName(name).toLowerCase();
    const values = this.#pairs.filter(([known]) => known.toLowerCase() === key).map(([, value]) => value);
    return values.length > 0 ? values.join(", ") : null;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  delete(name: string): void {
    const key = checkedName(name).toLowerCase();
    this.#pairs = this.#pairs.filter(([known]) => known.toLowerCase() !== key);
  }

  raw(): Record<string, string[]> {
    const all: Record<string, string[]> = {};
    for (const [name, value] of this.#pairs) (all[name.toLowerCase()] ??= []).push(value);
    return all;
  }

  forEach(call: (value: string, name: string, headers: Headers) => void, self?: unknown): void {
    for (const [name, value] of this.entries()) call.call(self, value, name, this);
  }

  *entries(): IterableIterator<[string, string]> {
    const names = [...new Set(this.#pairs.map(([name]) => name.toLowerCase()))].sort();
    for (const name of names) yield [name, this.get(name)!];
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this.entries()) yield name;
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries();
  }

  get [Symbol.toStringTag](): string {
    return "Headers";
  }
}

function checkedName(name: unknown): string {
  const text = String(name);
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)) throw new TypeError(`${text} is not a legal HTTP header name`);
  return text;
}

function checkedValue(value: unknown): string {
  const text = String(value).trim();
  if (/[^\t\x20-\x7e\x80-\xff]/.test(text)) throw new TypeError(`${text} is not a legal HTTP header value`);
  return text;
}

type Content = string | Buffer | null;

/** A body as text or bytes, and the type it has by itself. */
function contentOf(body: unknown): [Content, string | null] {
  if (body === undefined || body === null) return [null, null];
  if (typeof body === "string") return [body, "text/plain;charset=UTF-8"];
  if (body instanceof URLSearchParams) return [body.toString(), "application/x-www-form-urlencoded;charset=UTF-8"];
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return [Buffer.from(bytesOf(body)), null];
  return [String(body), "text/plain;charset=UTF-8"];
}

class Body {
  protected content: Content;
  bodyUsed = false;

  constructor(content: Content) {
    this.content = content;
  }

  get body(): Buffer | null {
    return this.content === null ? null : Buffer.from(this.content as string);
  }

  #use(): Content {
    if (this.bodyUsed) throw new TypeError(`body used already for: ${(this as unknown as { url: string }).url}`);
    this.bodyUsed = true;
    return this.content;
  }

  async text(): Promise<string> {
    const content = this.#use();
    return content === null ? "" : typeof content === "string" ? content : content.toString("utf8").replace(/^\ufeff/, "");
  }

  async json(): Promise<unknown> {
    const text = await this.text();
    try {
      return JSON.parse(text);
    } catch (error) {
      const url = (this as unknown as { url: string }).url;
      throw new FetchError(`invalid json response body at ${url} reason: ${(error as Error).message}`, "invalid-json");
    }
  }

  async buffer(): Promise<Buffer> {
    return Buffer.from((this.#use() ?? "") as string);
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const bytes = await this.buffer();
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  }
}

interface Options {
  method?: string;
  headers?: unknown;
  body?: unknown;
  redirect?: string;
  [other: string]: unknown;
}

export class Request extends Body {
  readonly method: string;
  readonly headers: Headers;
  readonly url: string;
  readonly redirect: string;

  constructor(input: unknown, options: Options = {}) {
    const from = input instanceof Request ? input : null;
    const method = String(options.method ?? from?.method ?? "GET").toUpperCase();
    const given = options.body ?? null;
    const [content, type] = given === null && from !== null ? [from.content, null] : contentOf(given);
    if (content !== null && (method === "GET" || method === "HEAD")) throw new TypeError("Request with GET/HEAD method cannot have body");
    super(content);
    this.method = method;
    this.headers = new Headers(options.headers ?? from?.headers);
    if (type !== null && !this.headers.has("Content-Type")) this.headers.append("Content-Type", type);
    const text = from !== null ? from.url : typeof input === "object" && input !== null && "href" in input ? String(input.href) : String(input);
    this.url = absolute(text);
    this.redirect = String(options.redirect ?? from?.redirect ?? "follow");
  }

  clone(): Request {
    return new Request(this);
  }

  /** The body, for the wire. */
  sent(): Content {
    return this.content;
  }
}

function absolute(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new TypeError("Only absolute URLs are supported");
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new TypeError("Only HTTP(S) protocols are supported");
  return url.href;
}

export class Response extends Body {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly url: string;
  readonly redirected = false;

  constructor(body?: unknown, options: { status?: number; statusText?: string; headers?: unknown; url?: string } = {}) {
    const [content, type] = contentOf(body);
    super(content);
    this.status = options.status ?? 200;
    this.statusText = options.statusText ?? "";
    this.headers = new Headers(options.headers);
    if (type !== null && options.url === undefined && !this.headers.has("Content-Type")) this.headers.append("Content-Type", type);
    this.url = options.url ?? "";
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  clone(): Response {
    return new Response(this.content, { ...this, headers: this.headers });
  }
}

export interface Answer {
  id: number;
  status?: number;
  reason?: string;
  headers?: Pairs;
  text?: string;
  base64?: string;
  error?: { message: string; code: string };
  truncated?: boolean;
}

let last = 0;
const waiting = new Map<number, (answer: Answer) => void>();

/** Hands an answer of the parent to whoever waits for it; nobody does once its run is over. */
export function answered(answer: Answer): void {
  const settle = waiting.get(answer.id);
  waiting.delete(answer.id);
  settle?.(answer);
}

export function resetFetches(): void {
  waiting.clear();
}

function send(method: string, url: string, headers: Pairs, content: Content): Promise<Answer> {
  const id = ++last;
  const body = content === null ? {} : typeof content === "string" ? { text: content } : { base64: content.toString("base64") };
  return new Promise((settle) => {
    waiting.set(id, settle);
    tell({ is: "fetch", id, method, url, headers, ...body });
  });
}

/** Where a redirect points to, for people. */
function place(location: string, from: string): string {
  if (location.length > SHOWN) return `${location.slice(0, SHOWN)}…`;
  try {
    return new URL(location, from).href;
  } catch {
    return location;
  }
}

export async function fetch(input: unknown, options?: Options): Promise<Response> {
  const request = new Request(input, options);
  const { method, url } = request;
  const headers = new Headers(request.headers);
  if (!headers.has("Accept")) headers.set("Accept", "*/*");
  if (!headers.has("User-Agent")) headers.set("User-Agent", "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)");
  for (const own of ["Connection", "Content-Length", "Host", "Keep-Alive", "Transfer-Encoding", "Accept-Encoding"]) headers.delete(own);

  const pairs: Pairs = Object.entries(headers.raw()).map(([name, values]) => [name, values.join(", ")]);
  const answer = await send(method, url, pairs, request.sent());
  if (answer.error) throw new FetchError(`request to ${url} failed, reason: ${answer.error.message}`, "system", answer.error.code);
  if (REDIRECTS.includes(answer.status!) && request.redirect !== "manual") {
    if (request.redirect === "error") {
      throw new FetchError(`uri requested responds with a redirect, redirect mode is set to error: ${url}`, "no-redirect");
    }
    const location = new Headers(answer.headers).get("Location");
    if (location !== null) {
      const reason = `redirected (${answer.status}) to ${place(location, url)}; redirects are not followed here, call the final address`;
      throw new FetchError(`request to ${url} failed, reason: ${reason}`, "no-redirect");
    }
  }
  if (answer.truncated) throw new FetchError(`content size at ${url} over limit: 1048576`, "max-size");
  const body = answer.text ?? (answer.base64 === undefined ? null : Buffer.from(answer.base64, "base64"));
  return new Response(body, { status: answer.status!, statusText: answer.reason ?? "", headers: answer.headers, url });
}
