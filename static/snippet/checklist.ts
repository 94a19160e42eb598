// One checklist in this page: its panel, what becomes done and by what, and what is reported.

import type { Checklist, Item, State } from "./content";
import type { Undo } from "./edge";
import { doneCount, isLocked } from "./items";
import type { Page } from "./page";
import type { Facts } from "./report";
import type { RawName } from "./snippet";
import { isOver } from "./states";
import { uuid } from "./uuid";
import type { Panel } from "./view/panel";

export interface ChecklistWorld extends Page {
  /** It is open for good, in an element of the page. */
  isInside?: boolean;
  startTour(key: string): void;
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
  world: ChecklistWorld,
): ChecklistRun {
  const state = () => world.states.of(checklist);
  /** Whether the user has it open, over page loads. */
  const openedAs = `open:${checklist.id}`;
  let panel: Panel | null = null;
  let session = state().session_id ?? "";
  let isOpen = world.isInside || (world.store.read<boolean>(openedAs) ?? checklist.open);
  let wasOver = isOver(state());

  const report = (raw: RawName, more: Facts = {}) => {
    const items_count = checklist.items.length;
    const progress = Math.round((100 * doneCount(checklist, state())) / items_count);
    world.report(raw, checklist, session, { start_reason: reason, items_count, progress, ...more });
  };
  const change = (change: Partial<State>) => world.states.change(checklist, { session_id: session, ...change });
  const finish = () => {
    change({ state: "completed" });
    report("checklist_completed", { end_reason: "completed" });
    celebrate();
  };
  // Also when the last but one came from the service and the last one of this browser late: then nobody else says so.
  const settle = () => {
    if (state().state === "in_progress" && doneCount(checklist, state()) === checklist.items.length) finish();
  };
  const celebrate = () => {
    wasOver = true;
    if (checklist.completion) toggle(true);
    else stop();
  };
  const toggle = (open: boolean) => {
    if (open && !isOpen && !wasOver) report("checklist_viewed");
    // What stands in the page is not folded, and says nothing of the one that floats.
    if (!world.isInside) world.store.write(openedAs, (isOpen = open));
    panel?.draw();
    // What is finished and read goes away.
    if (!open && isOver(state())) stop();
  };
  const act = (item: Item) => {
    report("checklist_item_clicked", { item_id: item.id, item_name: item.title });
    if (item.done.by === "click") run.complete(item.id, "click");
    const { action } = item;
    if (action.do === "start_tour") world.startTour(action.tour);
    if (action.do === "open_url") world.openUrl(action.url, action.new_tab);
  };
  const dismiss = () => {
    change({ state: "dismissed" });
    report("checklist_dismissed", { end_reason: "dismiss_button" });
    toggle(false);
  };
  const begin = () => {
    session = state().session_id ?? "";
    wasOver = isOver(state());
    if (!(session && ["in_progress", "completed"].includes(state().state))) {
      session = uuid();
      change({ state: "in_progress" });
      report("checklist_started");
    }
    if (!wasOver && isOpen) report("checklist_viewed");
    show();
  };
  const show = () => {
    const now = () => ({ state: state(), isOpen });
    panel ??= world.view.panel(checklist, world.fill(), now, { toggle, act, dismiss });
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
      const item = checklist.items.find(({ id }) => id === itemId);
      const { items } = state();
      if (!item || items?.[itemId] || (how === "click" && isLocked(checklist, state(), item))) return false;
      change({ items: { ...items, [itemId]: {} } });
      report("checklist_item_completed", { item_id: itemId, item_name: item.title, how });
      settle();
      panel?.draw();
      return true;
    },
    toggle,
    refresh() {
      // Begun anew, here or elsewhere.
      if ((state().session_id ?? session) !== session && !isOver(state())) begin();
      // The service may have found the last item done meanwhile, and says so itself.
      if (isOver(state()) && !wasOver) celebrate();
      else {
        settle();
        panel?.draw();
      }
    },
    hide: (hidden) => (hidden ? hide : show)(),
    stop: hide,
  };
  if (reason !== "silent") {
    begin();
    settle();
  }
  return run;
}
