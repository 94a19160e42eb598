// console: lines of text, told to the parent at once, so that they are there also when the run is ended from outside.

import { tell } from "./host";

const LIMIT = 32_768;
const DEPTH = 4;
let left = LIMIT;

export function resetConsole(): void {
  left = LIMIT;
}

function log(level: string, values: unknown[]): void {
  if (left <= 0) return;
  let line: string;
  try {
    line = format(values);
  } catch {
    line = "(something that cannot be shown)";
  }
  if (line.length > left) line = line.slice(0, left) + "… (more output was left out)";
  left -= line.length + 1;
  tell({ is: "log", level, text: line });
}

function format(values: unknown[]): string {
  const [first, ...rest] = values;
  if (typeof first !== "string") return values.map((value) => shown(value, 0, [])).join(" ");
  const filled = first.replace(/%[sdifjoOc%]/g, (mark) => {
    if (mark === "%%") return "%";
    if (rest.length === 0) return mark;
    const value = rest.shift();
    if (mark === "%c") return "";
    if (mark === "%s") return typeof value === "string" ? value : shown(value, 0, []);
    if (mark === "%d" || mark === "%f") return String(Number(value));
    if (mark === "%i") return String(Math.trunc(Number(value)));
    return mark === "%j" ? (JSON.stringify(value) ?? "undefined") : shown(value, 0, []);
  });
  return [filled, ...rest.map((value) => (typeof value === "string" ? value : shown(value, 0, [])))].join(" ");
}

/** A value as people read it: about what Node shows. */
export function shown(value: unknown, depth: number, above: object[]): string {
  if (typeof value === "string") return depth === 0 ? value : `'${value.replace(/[\\']/g, "\\$&").replace(/\n/g, "\\n")}'`;
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `[Function: ${value.name || "(anonymous)"}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (above.includes(value)) return "[Circular]";
  if (value instanceof Error) return value.stack || String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (value instanceof Promise) return "Promise {}";
  if (depth >= DEPTH) return Array.isArray(value) ? "[Array]" : "[Object]";
  const inside = (item: unknown) => shown(item, depth + 1, [...above, value]);
  if (Array.isArray(value)) return bracketed("[", value.slice(0, 100).map(inside), value.length - 100, "]");
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, Math.min(value.byteLength, 50));
    return `<${value.constructor.name} ${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ")}>`;
  }
  if (value instanceof Map) return bracketed(`Map(${value.size}) {`, [...value].slice(0, 100).map(([key, item]) => `${inside(key)} => ${inside(item)}`), value.size - 100, "}");
  if (value instanceof Set) return bracketed(`Set(${value.size}) {`, [...value].slice(0, 100).map(inside), value.size - 100, "}");
  const keys = Object.keys(value);
  const name = (key: string) => (/^[A-Za-z_$][\w$]*$/.test(key) ? key : `'${key}'`);
  const pairs = keys.slice(0, 100).map((key) => `${name(key)}: ${inside((value as Record<string, unknown>)[key])}`);
  const kind = Object.getPrototypeOf(value)?.constructor?.name;
  return bracketed(kind && kind !== "Object" ? `${kind} {` : "{", pairs, keys.length - 100, "}");
}

function bracketed(open: string, items: string[], more: number, close: string): string {
  if (items.length === 0) return open + close;
  if (more > 0) items.push(`… ${more} more`);
  const line = items.join(", ");
  const pad = open.endsWith("{") ? " " : "";
  return line.length <= 100 && !line.includes("\n") ? `${open}${pad}${line}${pad}${close}` : `${open}\n  ${items.join(",\n  ").replace(/\n(?!  )/g, "\n  ")}\n${close}`;
}

const counts = new Map<string, number>();
const started = new Map<string, number>();

export const console = {
  log: (...values: unknown[]) => log("log", values),
  info: (...values: unknown[]) => log("info", values),
  debug: (...values: unknown[]) => log("debug", values),
  warn: (...values: unknown[]) => log("warn", values),
  error: (...values: unknown[]) => log("error", values),
  trace: (...values: unknown[]) => log("debug", values),
  dir: (value: unknown) => log("log", [value]),
  table: (value: unknown) => log("log", [value]),
  group: (...values: unknown[]) => log("log", values),
  groupEnd: () => {},
  assert: (condition: unknown, ...values: unknown[]) => {
    if (!condition) log("error", ["Assertion failed", ...values]);
  },
  count: (label = "default") => {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    log("log", [`${label}: ${counts.get(label)}`]);
  },
  time: (label = "default") => void started.set(label, Date.now()),
  timeEnd: (label = "default") => log("log", [`${label}: ${Date.now() - (started.get(label) ?? Date.now())}ms`]),
};
