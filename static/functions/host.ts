// The only way out of the isolate: text through a shared buffer, then a call that returns when the process around it
// has read the text. One letter says what is meant: P a message to the parent, C one whose answer the call brings back,
// T a timer of the process itself.

const send = (globalThis as unknown as { __host: () => void }).__host;
const buffer = (globalThis as unknown as { __buffer: ArrayBuffer }).__buffer;
delete (globalThis as Partial<Record<string, unknown>>).__host;
delete (globalThis as Partial<Record<string, unknown>>).__buffer;

const length = new Uint32Array(buffer, 0, 1);
const units = new Uint16Array(buffer, 4);
const CHUNK = 8192;
const fromCharCode = String.fromCharCode;

// Kept from the beginning: code that changes a prototype must not change what leaves.
export const stringify = JSON.stringify;
export const parse = JSON.parse;

export class TooLarge extends Error {}

export function read(): string {
  const count = length[0]!;
  const parts: string[] = [];
  for (let start = 0; start < count; start += CHUNK) {
    parts.push(fromCharCode.apply(null, units.subarray(start, Math.min(start + CHUNK, count)) as unknown as number[]));
  }
  return parts.join("");
}

function write(text: string): void {
  if (text.length > units.length) throw new TooLarge("This is more than a function can hand over at once: 4 MiB of text.");
  for (let at = 0; at < text.length; at++) units[at] = text.charCodeAt(at);
  length[0] = text.length;
}

export function tell(message: object): void {
  write("P" + stringify(message));
  send();
}

export function timer(id: number, delay: number): void {
  write("T" + stringify({ id, delay }));
  send();
}

/** Has the parent compute something and waits for the answer. */
export function compute(request: object): string {
  write("C" + stringify(request));
  send();
  const answer = parse(read()) as { value?: string; error?: string };
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer.value ?? "";
}
