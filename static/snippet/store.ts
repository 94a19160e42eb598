// What the browser keeps for us: one entry of localStorage a workspace. The only module that touches storage.
// Where storage is blocked or full the page goes on with its own memory.

import { listen, type Undo } from "./edge";

const MARK = "productfruits:";

export interface Store {
  read<T>(name: string): T | null;
  write(name: string, value: unknown): void;
  /** Calls when another tab has written `name`. */
  watch(name: string, heard: () => void): Undo;
  /** Forgets everything; for a withdrawn consent. */
  clear(): void;
}

export function openStore(workspace: string): Store {
  const prefix = `${MARK}${workspace}:`;
  const disk = reachable("localStorage");

  return {
    read(name) {
      try {
        return JSON.parse(disk[prefix + name] ?? "null");
      } catch {
        return null;
      }
    },
    write(name, value) {
      try {
        if (value === null) delete disk[prefix + name];
        else disk[prefix + name] = JSON.stringify(value);
      } catch {
        // Full: the server knows better anyway.
      }
    },
    watch: (name, heard) =>
      listen<StorageEvent>(window, "storage", (event) => event.key === prefix + name && heard()),
    clear() {
      for (const each of [disk, reachable("sessionStorage")]) {
        for (const key of Object.keys(each)) if (key.startsWith(MARK)) delete each[key];
      }
    },
  };
}

/** Storage is read and written like an object, so an object stands in for it where it is blocked. */
function reachable(kind: "localStorage" | "sessionStorage"): Record<string, string> {
  try {
    return window[kind] ?? {};
  } catch {
    return {};
  }
}

/** What this tab remembers until it is closed, over page loads. */
export function ofTab(name: string, value?: string): string {
  const disk = reachable("sessionStorage");
  if (value !== undefined) disk[MARK + name] = value;
  return disk[MARK + name] ?? "";
}
