// The errors that a function throws to say what became of an event. Segment knows them by these names.

function named(name: string): new (message?: string) => Error {
  const kind = class extends Error {};
  Object.defineProperty(kind, "name", { value: name });
  Object.defineProperty(kind.prototype, "name", { value: name, writable: true, configurable: true });
  return kind;
}

export const EventNotSupported = named("EventNotSupported");
export const InvalidEventPayload = named("InvalidEventPayload");
export const ValidationError = named("ValidationError");
export const RetryError = named("RetryError");
export const DropEvent = named("DropEvent");

export interface Failure {
  name: string;
  message: string;
  stack: string;
}

function text(value: unknown, otherwise: string, limit: number): string {
  try {
    return String(value ?? otherwise).slice(0, limit);
  } catch {
    return otherwise;
  }
}

/** A stack without the lines that are ours. */
function own(stack: string): string {
  return stack
    .split("\n")
    .filter((line) => !/^\s+at /.test(line) || line.includes("function.js:"))
    .join("\n");
}

/** What was thrown, in plain text; anything may have been thrown, also what throws when it is looked at. */
export function failure(thrown: unknown): Failure {
  try {
    if (thrown instanceof Error || (typeof thrown === "object" && thrown !== null && "message" in thrown)) {
      const error = thrown as Partial<Error>;
      const message = text(error.message, "", 4_000);
      return { name: text(error.name, "Error", 200), message, stack: own(text(error.stack, message, 16_000)).slice(0, 8_000) };
    }
    return { name: "Error", message: text(thrown, "undefined", 4_000), stack: "" };
  } catch {
    return { name: "Error", message: "Something was thrown that cannot be read.", stack: "" };
  }
}
