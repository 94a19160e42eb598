// When the service is asked: at the start, and whenever something may have changed what it would answer. Never by the clock.

import { type Api, type Asked, Refused } from "./api";
import type { Answer } from "./content";
import { guarded, later, listen, together, type Undo } from "./edge";
import type { Outbox } from "./outbox";

export interface Sync {
  now(): void;
  /** Within so many milliseconds; several wishes are one question. */
  within(ms: number): void;
  undo: Undo;
}

export interface SyncWorld {
  api: Api;
  outbox: Outbox;
  asked(): Asked;
  more(): Record<string, string>;
  heard(answer: Answer, since: number): void;
}

/** A page that is used, but never navigates, asks again so often. */
const OLD_MS = 60_000;

export function openSync(world: SyncWorld): Sync {
  let asking = false;
  let again = false;
  let last = 0;
  let due = Infinity;
  let cancel: Undo = () => {};

  const ask = async () => {
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    cancel();
    due = Infinity;
    const asked = world.asked();
    try {
      // What the service has not heard yet, its answer would contradict.
      await world.outbox.flush();
      const since = Date.now();
      const answer = await world.api.content(asked, world.more());
      last = since;
      if (JSON.stringify(asked) === JSON.stringify(world.asked())) world.heard(answer, since);
    } catch (error) {
      // The service is away, or does not want us. The page must not notice.
      if (!(error instanceof Refused || error instanceof Error)) throw error;
      last = Date.now();
    } finally {
      asking = false;
    }
    if (again) {
      again = false;
      await ask();
    }
  };
  const now = guarded(ask);
  const within = (ms: number) => {
    const wanted = Date.now() + ms;
    if (wanted >= due) return;
    due = wanted;
    cancel();
    cancel = later(ms, ask);
  };
  const ifOld = () => {
    if (document.visibilityState === "visible" && last && Date.now() - last > OLD_MS) within(0);
  };

  return {
    now,
    within,
    undo: together(
      listen(document, "visibilitychange", () => document.visibilityState === "visible" && last && within(0)),
      listen(document, "pointerdown keydown", ifOld, { capture: true, passive: true }),
      () => cancel(),
    ),
  };
}
