// Whose turn it is: of everything that may show, one tour and one checklist.

import { type ChecklistRun, type ChecklistWorld, runChecklist } from "./checklist";
import type { Answer, Checklist, Content, Rule, Tour } from "./content";
import { listen, settled, together, type Undo } from "./edge";
import type { Page } from "./page";
import { failing, looksAtElements } from "./rules";
import type { ContentId } from "./snippet";
import { watch } from "./targets";
import { isHere, isLive, runTour, type StartReason, type TourRun } from "./tour";

export interface Director {
  /** What the service sent, or null: nothing may show. */
  use(answer: Answer | null): void;
  /** Looks anew: the page, the tab, the states have changed. */
  update(): void;
  /** The same, once whoever called us is done. */
  soon(): void;
  of<K extends Content["kind"]>(kind: K): Extract<Content, { kind: K }>[];
  find(id: ContentId): Content | undefined;
  /** Why the page does not let it show; null when it does. */
  held(content: Content): Rule | null;
  tour(): TourRun | null;
  checklist(): ChecklistRun | null;
  startTour(id: ContentId, reason: StartReason): boolean;
  openChecklist(id: ContentId): boolean;
  /** Shows a checklist in an element of the page and nowhere else, until undone or until somebody else comes. */
  inject(id: ContentId, element: Element, mustBeDue?: boolean): Undo | undefined;
  complete(checklist: ContentId, item: string, how: "click" | "tour" | "api"): boolean;
  undo: Undo;
}

export interface DirectorWorld extends Page {
  leads(): boolean;
  language(): string;
}

export function openDirector(world: DirectorWorld): Director {
  const { states, leads, view } = world;
  let contents: Content[] = [];
  let tour: TourRun | null = null;
  let checklist: ChecklistRun | null = null;
  let unwatch: Undo = () => {};
  /** By the number of the content: what stands in elements of the page. */
  const injected = new Map<number, ChecklistRun>();

  const held = (content: Content) => failing(content.rule, world.language());
  const find = (id: ContentId) => contents.find((content) => content.id === id || content.key === `${id}`);
  const of = <K extends Content["kind"]>(kind: K) =>
    contents.filter((content): content is Extract<Content, { kind: K }> => content.kind === kind);
  const mayStart = (content: Content) => content.start === "auto" && states.mayStart(content);

  const isBegun = (content: Content) => isLive(states.of(content));
  /** The page lets it show: a tour that has begun at its element, all else by the rule. */
  const isDue = (content: Content) =>
    content.kind === "tour" && isBegun(content)
      ? isHere(content, states.of(content), world.store)
      : (isBegun(content) || mayStart(content)) && !held(content);
  /** What has begun goes before what has not. */
  const weight = (content: Content) => content.priority + (isBegun(content) ? 1000 : 0);
  const due = <K extends Content["kind"]>(kind: K) =>
    of(kind)
      .filter(isDue)
      .sort((one, other) => weight(other) - weight(one));

  const stopAll = () => {
    tour?.stop();
    checklist?.stop();
    tour = checklist = null;
    unwatch();
  };
  const turnOfTours = () => {
    if (tour) return;
    const next = due("tour")[0];
    if (next) begin(next, "auto", false);
  };
  const begin = (next: Tour, reason: StartReason, afresh: boolean) => {
    tour?.stop();
    tour = runTour(next, reason, afresh, {
      ...world,
      startTour: (key) => startTour(key, "tour"),
      completeItem: (key, item) => complete(key, item, "tour"),
      changed(run) {
        if (!run.isShowing()) tour = null;
        if (states.of(next).state === "completed") doneByTour(next.key);
        // Not at once: whoever called us is not done yet.
        afterwards.soon();
      },
    });
  };
  const doneByTour = (key: string) => {
    for (const each of of("checklist").filter(isBegun)) {
      for (const { id, done } of each.items) if (done.tour === key) complete(each.id, id, "tour");
    }
  };
  const update = () => {
    if (!leads()) return stopAll();
    // What begins by itself is reported, so it waits for what draws.
    if (!view.isReady() && contents.some(isDue)) return view.prepare(afterwards.soon);
    turnOfTours();
    turnOfChecklists();
    injected.forEach((run, id) => (find(id) ? run.refresh() : run.stop()));
    awaitElements();
    checklist?.hide(Boolean(tour?.isShowing()));
  };
  const afterwards = settled(0, update);

  const turnOfChecklists = () => {
    if (checklist) {
      const still = find(checklist.checklist.id);
      if (still && !held(still) && !injected.has(still.id)) return checklist.refresh();
      checklist.stop();
      checklist = null;
    }
    const next = due("checklist").filter(({ id }) => !injected.has(id))[0];
    if (next) checklist = open(next, "auto");
  };
  const open = (next: Checklist, reason: "auto" | "api" | "silent", inside?: Partial<ChecklistWorld>) =>
    runChecklist(next, reason, {
      ...world,
      ...inside,
      startTour: (key) => startTour(key, "checklist"),
      changed(run) {
        if (checklist === run) checklist = null;
        afterwards.soon();
      },
    });
  /** Rules ask for elements, and tours go on at elements, that are not there yet. */
  const awaitElements = () => {
    unwatch();
    const waits = (each: Content) => (isBegun(each) || (mayStart(each) && looksAtElements(each.rule))) && !isDue(each);
    const waiting = contents.filter(waits);
    if (!waiting[0]) return;
    unwatch = watch(() => {
      const isNews = waiting.some(isDue);
      if (isNews) afterwards.soon();
      return isNews;
    });
  };

  const startTour = (id: ContentId, reason: StartReason): boolean => {
    const next = find(id);
    if (next?.kind !== "tour" || held(next) || !leads()) return false;
    if (tour?.isShowing()) {
      if (tour.tour.id === next.id) return true;
      tour.end("dismissed", "replaced");
    }
    begin(next, reason, true);
    return true;
  };
  const complete = (id: ContentId, item: string, how: "click" | "tour" | "api"): boolean => {
    const found = find(id);
    // What is done is done, also while it is not its turn to show; what shows hears of it by its state.
    return found?.kind === "checklist" && isBegun(found) && open(found, "silent").complete(item, how);
  };
  const clear = () => {
    stopAll();
    injected.forEach((run) => run.stop());
  };
  const resized = settled(200, update);

  return {
    use(answer) {
      contents = answer?.contents ?? [];
      if (!answer) return clear();
      if (tour && !find(tour.tour.id)) tour.end("dismissed", "unpublished");
      update();
      if (leads()) answer.completed.forEach(doneByTour);
    },
    update,
    soon: afterwards.soon,
    of,
    find,
    held,
    tour: () => tour,
    checklist: () => checklist,
    startTour,
    openChecklist(id) {
      const next = find(id);
      if (next?.kind !== "checklist" || !leads()) return false;
      if (checklist?.checklist.id !== next.id) {
        checklist?.stop();
        checklist = open(next, "api");
      }
      checklist.toggle(true);
      return true;
    },
    inject(id, element, mustBeDue) {
      const next = find(id);
      if (next?.kind !== "checklist" || injected.has(next.id) || (mustBeDue !== false && !isDue(next))) return;
      const within = view.inside(element);
      const run = open(next, "api", { view: within, isInside: true });
      run.stop = together(afterwards.soon, () => injected.delete(next.id), within.undo, run.stop);
      injected.set(next.id, run);
      update();
      return run.stop;
    },
    complete,
    undo: together(listen(window, "resize", resized.soon), resized.undo, afterwards.undo, clear),
  };
}
