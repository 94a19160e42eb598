// The request that a source function is given: body, headers and url are there at once, and may be awaited all the same.

import { Headers } from "./http";

export interface Incoming {
  method: string;
  url: string;
  headers: [string, string][];
  body: string;
}

/** A form as an object: a field that comes several times is an array. */
function form(body: string): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(body)) {
    const known = Object.hasOwn(fields, name) ? fields[name] : undefined;
    fields[name] = known === undefined ? value : Array.isArray(known) ? [...known, value] : [known, value];
  }
  return fields;
}

export function incoming({ method, url, headers, body }: Incoming): object {
  const given = new Headers(headers);
  const isForm = (given.get("Content-Type") ?? "").toLowerCase().startsWith("application/x-www-form-urlencoded");
  return {
    method,
    headers: given,
    url: new URL(url),
    body,
    text: () => body,
    json: () => (isForm ? form(body) : JSON.parse(body)),
  };
}
