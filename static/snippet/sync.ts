// When the service is asked: at the start, and whenever something may have changed what it would answer. Never by the clock.

import type { Api, Asked } from "./api";
import type { Answer } from "./content";
import { guarded, later, listen, pause, together, type Undo } from "./edge";
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
  let isOver = false;
  let last = 0;
  let due = Infinity;
  let cancel: Undo = () => {};

  const ask = async (): Promise<void> => {
    if (asking) return within(300);
    asking = true;
    cancel();
    due = Infinity;
    const asked = world.asked();
    let since = 0;
    const question = () => {
      since = last = Date.now();
      return world.api.content(asked, world.more());
    };
    // First what the service has not heard yet, which its answer would contradict. When it is away, or does not want us,
    // the page must not notice.
    const answer = await world.outbox
      .flush()
      .then(question)
      .catch(() => null);
    // What follows may show a tour: a task of its own, so that the page gets a word in between.
    await pause(0);
    asking = false;
    if (answer && !isOver && JSON.stringify(asked) === JSON.stringify(world.asked())) world.heard(answer, since);
  };
  const now = guarded(ask);
  const within = (ms: number) => {
    const wanted = Date.now() + ms;
    if (wanted >= due) return;
    due = wanted;
    cancel();
    cancel = later(ms, ask);
  };
  const ifOld = () => last && Date.now() - last > OLD_MS && within(0);

  return {
    now,
    within,
    undo: together(
      listen(document, "visibilitychange", () => document.visibilityState === "visible" && last && within(0)),
      listen(document, "pointerdown keydown", ifOld, { capture: true, passive: true }),
      () => {
        isOver = true;
        cancel();
      },
    ),
  };
}
