// One checklist in this page: its panel, what becomes done and by what, and what is reported.

import type { Checklist, Done, Item, State } from "./content";
import type { Undo } from "./edge";
import { doneCount, isLocked, type Panel, showPanel } from "./panel";
import type { Facts } from "./report";
import type { RawName } from "./snippet";
import type { Stage } from "./stage";
import { isOver } from "./states";
import type { Fill } from "./texts";
import { uuid } from "./uuid";

/** Under this name the service keeps that it found all items done. */
const WHOLE = "*";

export interface ChecklistWorld {
  stage: Stage;
  nonce: string;
  fill(): Fill;
  stateOf(checklist: Checklist): State;
  change(checklist: Checklist, change: Partial<State>): void;
  report(raw: RawName, checklist: Checklist, session: string, facts: Facts, eventId?: string): void;
  /** Whether the user has it open, over page loads. */
  opened: { read(): boolean | null; write(open: boolean): void };
  startTour(key: string): void;
  openUrl(url: string, newTab: boolean): void;
  changed(run: ChecklistRun): void;
}

export interface ChecklistRun {
  checklist: Checklist;
  complete(itemId: string, how: "click" | "tour" | "api"): boolean;
  toggle(open: boolean): void;
  /** What the service found out meanwhile. */
  refresh(): void;
  /** Out of sight while a tour shows. */
  hide(hidden: boolean): void;
  stop: Undo;
}

export function runChecklist(
  checklist: Checklist,
  /** silent: only to note what is done. */
  reason: "auto" | "api" | "silent",
  into: Element | null,
  world: ChecklistWorld,
): ChecklistRun {
  let panel: Panel | null = null;
  let session = world.stateOf(checklist).session_id ?? "";
  let isOpen = world.opened.read() ?? checklist.open;

  const state = () => world.stateOf(checklist);
  const report = (raw: RawName, more: Facts = {}, eventId?: string) => {
    const items = checklist.items.length;
    const progress = Math.round((100 * doneCount(checklist, state())) / items);
    world.report(raw, checklist, session, { start_reason: reason, items_count: items, progress, ...more }, eventId);
  };
  const change = (change: Partial<State>) => world.change(checklist, { session_id: session, ...change });
  const markDone = (item: Item | undefined, id: string, done: Done) => {
    change({ items: { ...state().items, [id]: { ...done, reported: true } } });
    if (item) report("checklist_item_completed", { item_id: id, item_name: item.title, how: done.how }, done.event_id);
  };
  const finish = (eventId?: string) => {
    change({ state: "completed" });
    report("checklist_completed", { end_reason: "completed" }, eventId);
    if (!checklist.completion) stop();
    else toggle(true);
  };
  /** Tells analytics what happened while no page was open, each thing once. */
  const catchUp = () => {
    const { items, state: now } = state();
    for (const [id, done] of Object.entries(items ?? {})) {
      if (done.reported !== false) continue;
      markDone(
        checklist.items.find((item) => item.id === id),
        id,
        done,
      );
      if (id === WHOLE) finish(done.event_id);
    }
    if (now === "in_progress" && !items?.[WHOLE] && doneCount(checklist, state()) === checklist.items.length) finish();
  };
  const draw = () => panel?.draw(state(), isOpen);
  const toggle = (open: boolean) => {
    if (open && !isOpen) report("checklist_viewed");
    isOpen = open;
    world.opened.write(open);
    draw();
    // What is finished and read goes away.
    if (!open && isOver(state())) stop();
  };
  const act = (item: Item) => {
    report("checklist_item_clicked", { item_id: item.id, item_name: item.title });
    if (item.done.by === "click") run.complete(item.id, "click");
    const { action } = item;
    if (action.do === "start_tour") world.startTour(action.tour);
    if (action.do === "open_url") world.openUrl(action.url, Boolean(action.new_tab));
  };
  const dismiss = () => {
    change({ state: "dismissed" });
    report("checklist_dismissed", { end_reason: "dismiss_button" });
    world.opened.write(false);
    stop();
  };
  const show = () => {
    const shown = { checklist, state: state(), isOpen, fill: world.fill(), nonce: world.nonce, into };
    panel ??= showPanel(world.stage, shown, { toggle, act, dismiss });
  };
  const hide = () => {
    panel?.undo();
    panel = null;
  };
  const stop = () => {
    hide();
    world.changed(run);
  };

  const run: ChecklistRun = {
    checklist,
    complete(itemId, how) {
      const item = checklist.items.find((each) => each.id === itemId);
      if (!item || state().items?.[itemId] || (how === "click" && isLocked(checklist, state(), item))) return false;
      const done = { at: new Date().toISOString(), how, event_id: uuid() };
      markDone(item, itemId, done);
      if (doneCount(checklist, state()) === checklist.items.length && !isOver(state())) finish();
      draw();
      return true;
    },
    toggle,
    refresh() {
      catchUp();
      draw();
    },
    hide: (hidden) => (hidden ? hide() : show()),
    stop: hide,
  };
  if (reason === "silent") return run;
  const { state: before } = state();
  if (before !== "in_progress" && before !== "completed") {
    session = uuid();
    change({ state: "in_progress" });
    report("checklist_started");
  }
  catchUp();
  if (isOpen && !isOver(state())) report("checklist_viewed");
  show();
  return run;
}
