// What the browser keeps for us: one entry of localStorage a workspace. The only module that touches storage.
// Where storage is blocked or full the page goes on with its own memory.

import { listen, type Undo } from "./edge";

export interface Store {
  read<T>(name: string): T | null;
  write(name: string, value: unknown): void;
  /** Calls when another tab has written `name`. */
  watch(name: string, heard: () => void): Undo;
  /** Forgets everything; for a withdrawn consent. */
  clear(): void;
}

export function openStore(workspace: string): Store {
  const prefix = `productfruits:${workspace}:`;
  const memory = new Map<string, string>();
  const disk = reachable();

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
      for (const key of Object.keys(disk ?? {})) if (key.startsWith(prefix)) disk?.removeItem(key);
    },
  };
}

function reachable(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

/** What this tab remembers until it is closed, over page loads. */
export function ofTab(name: string, value?: string): string {
  const key = `productfruits:${name}`;
  try {
    if (value !== undefined) sessionStorage.setItem(key, value);
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return value ?? "";
  }
}
