// The page's own window.analytics. The only module that touches it.
//
// It may be a stub that queues, the loaded library, both one after the other, come late, or never come. Segment's classic
// snippet answers user() with an object, AnalyticsBrowser with a promise.

import { guarded, later, listen, settled, together, type Undo } from "./edge";

/** As far as we use it. */
interface Library {
  ready?(then: () => void): void;
  user?(): User | Promise<User>;
  on?(event: string, heard: (...given: unknown[]) => void): unknown;
  off?(event: string, heard: (...given: unknown[]) => void): unknown;
  track(name: string, properties: object, options: object): unknown;
}

interface User {
  id(): string | null | undefined;
  anonymousId?(): string | null | undefined;
  traits?(): Record<string, unknown> | null | undefined;
}

export interface Known {
  id: string | null;
  anonymousId: string | null;
  traits: Record<string, unknown>;
}

export interface Hooks {
  /** The library says who the user is: when it is ready, and whenever that changes. */
  knows(user: Known): void;
  /** The page has tracked an event of its own. */
  tracked(name: string): void;
}

export interface Analytics {
  /** Soon, in the order of the calls: each event in a task of its own, since the library works long on every one. */
  track(name: string, properties: object, messageId: string, timestamp?: string): void;
  /** Whether there is a library or its stub. */
  isThere(): boolean;
  undo: Undo;
}

/** How many events wait for a late library, and how often we look for it: after 1/4, 1/2, … 32 seconds, and no more. */
const HELD = 100;
const LOOKS = 8;

export function connectAnalytics(hooks: Hooks): Analytics {
  const waiting: Parameters<Analytics["track"]>[] = [];
  let attached = false;
  let looks = 0;
  let cancel: Undo = () => {};

  const changed = guarded(async () => {
    const user = await library()?.user?.();
    if (!attached || !user) return;
    // A copy: what the library hands out is its own.
    hooks.knows({ id: user.id() || null, anonymousId: user.anonymousId?.() || null, traits: { ...user.traits?.() } });
  });
  const tracked = guarded((name: unknown, properties: unknown) => {
    const source = (properties as { source?: unknown } | undefined)?.source;
    if (attached && source !== "productfruits") hooks.tracked(`${name}`);
  });
  const ears = Object.entries({ identify: changed, reset: changed, track: tracked });

  const send = guarded(() => {
    const found = library();
    const event = found && waiting.shift();
    if (!event) return;
    sending.soon();
    const [name, properties, messageId, timestamp] = event;
    found.track(name, properties, { messageId, timestamp });
  });
  const sending = settled(0, send);
  /** All at once, where there is no later. */
  const flush = () => {
    while (waiting[0] && library()) send();
  };

  const look = () => {
    const found = library();
    if (attached) return;
    if (found) {
      attached = true;
      for (const [name, heard] of ears) found.on?.(name, heard);
      found.ready?.(changed);
      sending.soon();
    } else if (looks < LOOKS) {
      cancel();
      cancel = later(250 * 2 ** looks++, look);
    }
  };
  const undo = together(
    listen(document, "DOMContentLoaded", look),
    listen(window, "load", look),
    listen(window, "pagehide", flush),
    sending.undo,
    flush,
    () => {
      for (const [name, heard] of ears) library()?.off?.(name, heard);
      attached = false;
    },
    () => cancel(),
  );
  look();

  return {
    track(...event) {
      if (library() || waiting.length < HELD) waiting.push(event);
      sending.soon();
    },
    isThere: () => attached,
    undo,
  };
}

/** Asked for anew each time: the loaded library replaces its stub. */
function library(): Library | null {
  const found = (window as { analytics?: Library }).analytics;
  return typeof found?.track === "function" ? found : null;
}
