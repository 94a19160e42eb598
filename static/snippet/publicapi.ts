// window.productFruits: what the page's own code may call, under the names that Product Fruits uses.

import type { Checklist, Content, Item, State, Tour } from "./content";
import { guarded } from "./edge";
import { doneCount, isLocked } from "./items";
import type { Reporter } from "./report";
import type { Service } from "./service";
import type { ContentId, ProductFruits, RawName } from "./snippet";

/** Their names of ends: of a dismissal, and of what has not ended. */
const named = <D, E>({ state }: State, dismissed: D, other: E) =>
  state === "completed" ? ("finished" as const) : state === "dismissed" ? dismissed : other;
/** Their names of events, and ours. */
const ALIASES: Record<string, RawName> = {
  "tour-finished": "tour_completed",
  "tour-skipped": "tour_dismissed",
  "tour-advanced": "tour_step_viewed",
};

/** `service` is null while the user has not consented; `loaded` resolves once it has answered the first time. */
export function openApi(service: () => Service | null, reporter: Reporter, loaded: Promise<unknown>): ProductFruits["api"] {
  const director = () => service()?.director;
  const stateOf = (content: Content): State => service()?.states.of(content) ?? { state: "not_started" };
  const all = <K extends Content["kind"]>(kind: K) => director()?.of(kind) ?? [];
  const running = (id: ContentId) => {
    const run = director()?.tour();
    return run?.tour.id === director()?.find(id)?.id ? run : null;
  };
  const eligible = (id: ContentId) =>
    loaded.then(() => {
      const content = director()?.find(id);
      return content && !director()?.held(content) ? ("eligible" as const) : ("not_eligible" as const);
    });
  const listen = (kind: Content["kind"]) => (event: string, heard: (id: number, more: never) => void) =>
    reporter.listen((raw, _, properties) => {
      const theirs = ALIASES[event];
      if (raw !== (theirs ?? event) || properties.content_type !== kind) return;
      heard(properties.id, (theirs ? { currentCardId: properties["step_id"] } : properties) as never);
    });

  const tourInfo = (tour: Tour) => {
    const step = running(tour.id)?.step();
    return {
      id: tour.id,
      key: tour.key,
      name: tour.name,
      state: named(stateOf(tour), "skipped" as const, "not_finished" as const),
      isRunning: Boolean(step),
      currentCard: step ? { id: step.id, name: step.name } : null,
    };
  };
  const checklistInfo = (checklist: Checklist) => {
    const state = stateOf(checklist);
    const itemState = (item: Item) =>
      state.items?.[item.id] ? ("done" as const) : isLocked(checklist, state, item) ? ("tbd" as const) : ("open" as const);
    return {
      id: checklist.id,
      key: checklist.key,
      name: checklist.name,
      state: named(state, "disposed" as const, doneCount(checklist, state) ? ("in_progress" as const) : ("not_touched" as const)),
      items: checklist.items.map((item) => ({ internalId: item.id, name: item.title, state: itemState(item) })),
    };
  };

  return {
    tours: {
      getTours: () => all("tour").map(tourInfo),
      tryStartTour: (id) => director()?.startTour(id, "api") ?? false,
      markAs(id, state) {
        const isThere = !!running(id) || !!director()?.startTour(id, "api");
        if (isThere) director()?.tour()?.end(state === "finished" ? "completed" : "dismissed", "api");
        return isThere;
      },
      advanceToNextStep(id) {
        running(id)?.next();
        return Boolean(running(id));
      },
      goToStep: (id, step) => running(id)?.goTo(step) ?? false,
      isTourEligible: eligible,
      listen: listen("tour"),
    },
    checklists: {
      getChecklists: () => all("checklist").map(checklistInfo),
      markItemAsDone(internalId, expand) {
        const [item = "", key] = internalId.split("/").reverse();
        const found = all("checklist").find(
          (each) => (!key || each.key === key) && each.items.some((other) => other.id === item),
        );
        const done = found && director()?.complete(found.id, item, "api");
        if (found && expand) director()?.openChecklist(found.id);
        return Boolean(done);
      },
      open: (id) => director()?.openChecklist(id) ?? false,
      close(id) {
        const run = director()?.checklist();
        if (run?.checklist.id === director()?.find(id)?.id) run?.toggle(false);
      },
      injectToElement: (id, element, options) =>
        director()?.inject(id, element, options?.checkEligibility) ?? (() => {}),
      resetForCurrentUser: (id) => service()?.restart(id) ?? false,
      isChecklistEligible: eligible,
      listen: listen("checklist"),
    },
    events: {
      track: (name, attributes = {}, options) => service()?.track(name, attributes, Boolean(options?.forwardToIntegrations)),
    },
    analytics: {
      forwardEvent: (heard) => reporter.listen((_, name, properties) => heard(name, properties)),
    },
  };
}

/** The same object, whose functions throw nothing at the page. */
export function safe<T extends object>(api: T): T {
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(api)) {
    copy[name] = typeof value === "function" ? guarded(value) : typeof value === "object" ? safe(value) : value;
  }
  return copy as T;
}

