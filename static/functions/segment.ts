// Segment.identify and its like, for source functions: calls are collected and stored when the run has succeeded.

import { Buffer } from "buffer";
import { ValidationError } from "./errors";
import { stringify } from "./host";

const CALL_BYTES = 32 * 1024;
const CALLS = 1_000;
const TOO_LARGE = "failed calling Tracking API: the message is too large and over the maximum 32KB limit";

let calls: string[] = [];

export function resetCalls(): void {
  calls = [];
}

export function collected(): string[] {
  return calls;
}

function plain(message: unknown, type: string): object {
  if (typeof message !== "object" || message === null || Array.isArray(message)) {
    throw new ValidationError(`Segment.${type} takes one object, like Segment.${type}({ userId: '…' }).`);
  }
  return message;
}

function collect(type: string, message: object): void {
  const text = stringify({ ...message, type });
  if (Buffer.byteLength(text) > CALL_BYTES) throw new Error(TOO_LARGE);
  if (calls.length >= CALLS) throw new Error(`One run may make ${CALLS.toLocaleString("en")} Segment calls at most.`);
  calls.push(text);
}

function set(message: unknown): void {
  const { collection, id, properties } = plain(message, "set") as Record<string, unknown>;
  if (typeof collection !== "string" || !/^[a-z][a-z0-9_]{0,99}$/.test(collection)) {
    throw new ValidationError("Segment.set needs a `collection` in lower case: a letter, then letters, digits and _.");
  }
  if (!(typeof id === "string" && id.trim()) && typeof id !== "number") {
    throw new ValidationError("Segment.set needs an `id`: the object's own, as text or a number.");
  }
  if (typeof properties !== "object" || properties === null || Array.isArray(properties)) {
    throw new ValidationError("Segment.set needs `properties`, an object.");
  }
  collect("set", { collection, id: String(id), properties });
}

const sender = (type: string) => (message: unknown) => collect(type, plain(message, type));

export const Segment = Object.freeze({
  identify: sender("identify"),
  track: sender("track"),
  page: sender("page"),
  screen: sender("screen"),
  group: sender("group"),
  alias: sender("alias"),
  set,
});
