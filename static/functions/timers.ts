// setTimeout and its like. The process around the isolate knows the time; what is left at the end of a run is dropped.

import { timer } from "./host";

interface Due {
  run: () => void;
  every: number | null;
}

const waiting = new Map<number, Due>();
let last = 0;

function start(run: unknown, delay: unknown, every: boolean, values: unknown[]): number {
  if (typeof run !== "function") throw new TypeError("The first argument must be a function.");
  const ms = Math.min(Math.max(Number(delay) || 0, 1), 2 ** 31 - 1);
  const id = ++last;
  waiting.set(id, { run: () => run(...values), every: every ? ms : null });
  timer(id, ms);
  return id;
}

export function fire(id: number): void {
  const due = waiting.get(id);
  if (due === undefined) return;
  if (due.every === null) waiting.delete(id);
  else timer(id, due.every);
  due.run();
}

export function resetTimers(): void {
  waiting.clear();
}

export const setTimeout = (run: unknown, delay?: unknown, ...values: unknown[]): number => start(run, delay, false, values);
export const setInterval = (run: unknown, delay?: unknown, ...values: unknown[]): number => start(run, delay, true, values);
export const setImmediate = (run: unknown, ...values: unknown[]): number => start(run, 0, false, values);
export const clearTimeout = (id?: unknown): void => void waiting.delete(id as number);
