// What stands around a function inside its isolate: the globals that Segment's runtime has, and the turns that the
// process outside takes. Everything a function must not have is removed first.

import "./removed";
import { parse, read, stringify, tell } from "./host";
import "core-js/actual/url";
import "core-js/actual/url-search-params";
import "core-js/actual/structured-clone";
import "core-js/actual/queue-microtask";
import "core-js/actual/atob";
import "core-js/actual/btoa";
import { Buffer } from "buffer";
import lodash from "lodash";
import { libraries } from "./absent";
import { cache } from "./cache";
import { console, resetConsole } from "./console";
import { crypto } from "./crypto";
import { TextDecoder, TextEncoder } from "./encoding";
import * as errors from "./errors";
import { FetchError, Headers, Request, Response, answered, fetch, resetFetches, type Answer } from "./http";
import { incoming, type Incoming } from "./incoming";
import { Segment, collected, resetCalls } from "./segment";
import { clearTimeout, fire, resetTimers, setImmediate, setInterval, setTimeout } from "./timers";

const HANDLERS = ["onRequest", "onIdentify", "onTrack", "onPage", "onScreen", "onGroup", "onAlias", "onDelete", "onBatch"];
const RESULT_CHARACTERS = 256 * 1024;

function require(name: string): unknown {
  const known: Record<string, unknown> = { crypto, lodash, "node-fetch": fetch, buffer: { Buffer } };
  const found = known[String(name).replace(/^node:/, "")] ?? libraries[name];
  if (found === undefined) throw new Error(`Cannot find module '${name}': functions import nothing. crypto, fetch and _ are there without it.`);
  return found;
}

const offered: Record<string, unknown> = {
  ...libraries,
  _: lodash,
  Buffer,
  cache,
  console,
  crypto,
  fetch,
  FetchError,
  Headers,
  Request,
  Response,
  TextDecoder,
  TextEncoder,
  require,
  setTimeout,
  setInterval,
  setImmediate,
  clearTimeout,
  clearInterval: clearTimeout,
  clearImmediate: clearTimeout,
  EventNotSupported: errors.EventNotSupported,
  InvalidEventPayload: errors.InvalidEventPayload,
  ValidationError: errors.ValidationError,
  RetryError: errors.RetryError,
  DropEvent: errors.DropEvent,
};
for (const [name, value] of Object.entries(offered)) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

type Handler = (...values: unknown[]) => unknown;
interface Load {
  is: "load";
  code: string;
  sends: boolean;
}
interface Run {
  is: "run";
  run: number;
  handler: string;
  values: unknown[];
  request: Incoming | null;
}
interface Evaluate {
  is: "evaluate";
  run: number;
  sources: string[];
  event: unknown;
}
type Turn = Load | Run | Evaluate | ({ is: "answer" } & Answer) | { is: "timer"; id: number };

const compile = globalThis.eval;
const Code = Function;
let handlers: Record<string, Handler | undefined> = {};
let running = 0;

function load({ code, sends }: Load): void {
  if (sends) Object.defineProperty(globalThis, "Segment", { value: Segment, writable: true, configurable: true });
  try {
    new Code(code); // the code alone must be whole: a stray bracket must not close what is put around it
    const found = HANDLERS.map((name) => `${name}: typeof ${name} === "function" ? ${name} : undefined`).join(", ");
    const run = compile(`(function () {${code}\n;return { ${found} };})\n//# sourceURL=function.js`) as () => typeof handlers;
    handlers = run();
    tell({ is: "loaded", handlers: HANDLERS.filter((name) => handlers[name] !== undefined) });
  } catch (thrown) {
    tell({ is: "failed", run: 0, error: errors.failure(thrown) });
  }
}

function begin(run: number): void {
  running = run;
  resetConsole();
  resetTimers();
  resetFetches();
  resetCalls();
}

function succeed(run: number, value: unknown): void {
  if (run !== running) return;
  let text: string | undefined;
  try {
    text = stringify(value);
  } catch (thrown) {
    text = stringify(`(a value that is no JSON: ${errors.failure(thrown).message})`);
  }
  if (text !== undefined && text.length > RESULT_CHARACTERS) text = stringify("(a value of more than 256 KiB, which is not shown)");
  end({ is: "done", run, value: text ?? null, calls: collected() });
}

function fail(run: number, thrown: unknown): void {
  if (run === running) end({ is: "failed", run, error: errors.failure(thrown) });
}

function end(message: object): void {
  running = 0;
  resetTimers();
  resetFetches();
  tell(message);
}

function start({ run, handler, values, request }: Run): void {
  begin(run);
  const call = handlers[handler];
  if (call === undefined) {
    fail(run, new errors.EventNotSupported(`The function has no ${handler} handler, so it does not take this event.`));
    return;
  }
  const given = request === null ? values : [incoming(request), ...values];
  (async () => call(...given))().then(
    (value) => succeed(run, value),
    (thrown) => fail(run, thrown),
  );
}

/** Values of expressions and function bodies over `_` and `$`, the event: one result each, in their order. */
function evaluate({ run, sources, event }: Evaluate): void {
  begin(run);
  const results = Promise.all(
    sources.map(async (source) => {
      const value: unknown = await new Code("_", "$", "event", source).call(undefined, event, event, event);
      return value === undefined ? null : value;
    }),
  );
  results.then(
    (values) => {
      const text = stringify(values);
      if (text.length > RESULT_CHARACTERS) fail(run, new RangeError("The result has more than 256 KiB."));
      else end({ is: "done", run, value: text, calls: [] });
    },
    (thrown) => fail(run, thrown),
  );
}

Object.defineProperty(globalThis, "__turn", {
  configurable: true, // the process outside takes it away once it has hold of it
  value: (): void => {
    const turn = parse(read()) as Turn;
    if (turn.is === "answer") answered(turn);
    else if (turn.is === "timer") fire(turn.id);
    else if (turn.is === "load") load(turn);
    else if (turn.is === "evaluate") evaluate(turn);
    else start(turn);
  },
});
