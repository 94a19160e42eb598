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
  const memory = new Map<string, string>();
  const disk = reachable("localStorage");

  function raw(key: string): string | null {
    return disk ? disk.getItem(key) : (memory.get(key) ?? null);
  }
  return {
    read(name) {
      try {
        return JSON.parse(raw(prefix + name) ?? "null");
      } catch {
        return null;
      }
    },
    write(name, value) {
      const text = JSON.stringify(value);
      try {
        if (!disk) memory.set(prefix + name, text);
        else if (value === null) disk.removeItem(prefix + name);
        else disk.setItem(prefix + name, text);
      } catch {
        // Full: the server knows better anyway.
      }
    },
    watch: (name, heard) =>
      listen<StorageEvent>(window, "storage", (event) => event.key === prefix + name && heard()),
    clear() {
      memory.clear();
      for (const each of [disk, reachable("sessionStorage")]) {
        for (const key of Object.keys(each ?? {})) if (key.startsWith(MARK)) each?.removeItem(key);
      }
    },
  };
}

function reachable(kind: "localStorage" | "sessionStorage"): Storage | null {
  try {
    return window[kind];
  } catch {
    return null;
  }
}

/** What this tab remembers until it is closed, over page loads. */
export function ofTab(name: string, value?: string): string {
  const disk = reachable("sessionStorage");
  if (value !== undefined) disk?.setItem(MARK + name, value);
  return disk?.getItem(MARK + name) ?? value ?? "";
}
