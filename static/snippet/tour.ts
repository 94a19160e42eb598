// One run of a tour in this page: which step, what leads on, what is reported. The order of events is a contract:
// Started once a session before anything else, Step Completed before Completed, one end, and a missing element ends nothing
// as completed.

import type { Button, State, Step, Tour } from "./content";
import { later, listen, type Undo } from "./edge";
import type { Page } from "./page";
import type { Facts } from "./report";
import type { RawName } from "./snippet";
import type { Store } from "./store";
import { find, watch } from "./targets";
import { uuid } from "./uuid";

export type StartReason = "auto" | "api" | "checklist" | "tour" | "link";
type EndReason = "close_button" | "dismiss_button" | "escape" | "target_missing" | "replaced" | "api" | "unpublished";

export interface TourWorld extends Page {
  completeItem(checklist: string, item: string): void;
  startTour(key: string): void;
  /** It shows, or does not any more. */
  changed(run: TourRun): void;
}

export interface TourRun {
  tour: Tour;
  step(): Step | undefined;
  isShowing(): boolean;
  next(): void;
  goTo(stepId: string): boolean;
  end(state: "completed" | "dismissed", reason: EndReason): void;
  /** Takes it out of the page and says nothing: it goes on elsewhere, or later. */
  stop: Undo;
}

/** A click may lead to another page: the next step shows there, and not for a blink here. */
const LEAVING_MS = 250;

/** Goes on where the user is in it, else begins for this reason. */
export function runTour(tour: Tour, reason: StartReason, afresh: boolean, world: TourWorld): TourRun {
  const { steps } = tour;
  const { states, store } = world;
  const before = states.of(tour);
  const goesOn = !afresh && isLive(before) && Boolean(before.session_id);
  const session = (goesOn && before.session_id) || uuid();
  let resuming = goesOn;
  let showing = false;
  let isFollowing = false;
  let over = false;
  let index = 0;
  const undos: Undo[] = [];
  const clear = () => undos.splice(0).forEach((undo) => undo());

  const report = (raw: RawName, more: Facts = {}, completed = index) => {
    const step = steps[index] as Step;
    world.report(raw, tour, session, {
      start_reason: reason,
      steps_count: steps.length,
      step_id: step.id,
      step_name: step.name,
      step_number: index + 1,
      progress: Math.round((100 * completed) / steps.length),
      ...more,
    });
  };
  const enter = (to: number, direction = 1) => {
    const step = steps[to];
    if (!step) return;
    stop();
    index = to;
    states.change(tour, { state: "in_progress", session_id: session, step_id: step.id, snoozed_until: null });
    if (!show(step)) {
      undos.push(
        watch(() => show(step)),
        later(step.wait.seconds * 1000, () => missing(direction)),
      );
    }
  };
  /** False where its element is not there. */
  const show = (step: Step): boolean => {
    const target = step.target ? find(step.target) : null;
    if (step.target && !target) return false;
    clear();
    const { advance } = step;
    if (advance.on === "event") undos.push(world.onTracked((name) => name === advance.event && complete()));
    if (advance.on === "click" && target) {
      const clicked = (event: Event) => event.composedPath().includes(target) && complete(LEAVING_MS);
      undos.push(listen(document, "click", clicked, true));
    }
    tell(step);
    // An element that the page draws anew is found again; one that is gone leaves the tour to wait for it.
    const lost = () => show(step) || (stop(), world.changed(run));
    const answers = { press, lost, close: (why: EndReason) => end("dismissed", why) };
    undos.push(world.view.card(tour, step, target, world.fill(), isFollowing, answers));
    isFollowing = true;
    world.changed(run);
    return true;
  };
  const tell = (step: Step) => {
    const isNew = !showing && !(resuming && wasSeen(session, step.id, store));
    if (resuming) report("tour_resumed");
    if (isNew) report("tour_step_viewed");
    resuming = false;
    showing = true;
    store.write("seen", session + step.id);
  };
  const missing = (direction: number) => {
    const to = index + direction;
    const then = (steps[index] as Step).wait.missing;
    report("tour_target_missing", { on_missing: then });
    if (then !== "stop" && to < steps.length) enter(Math.abs(to), to < 0 ? 1 : direction);
    else end("dismissed", "target_missing");
  };
  const complete = (pause = 0) => {
    report("tour_step_completed", {}, index + 1);
    const next = steps[index + 1];
    if (!next) return end("completed");
    if (!pause) return enter(index + 1);
    stop();
    states.change(tour, { step_id: next.id });
    undos.push(later(pause, () => enter(index + 1)));
  };
  const end = (state: "completed" | "dismissed", why: EndReason | "completed" = "completed") => {
    if (over) return;
    over = true;
    stop();
    report(`tour_${state}`, { end_reason: why }, state === "completed" ? steps.length : index);
    states.change(tour, { state, step_id: (steps[index] as Step).id });
    world.changed(run);
  };
  const snooze = (minutes: number) => {
    const until = new Date(Date.now() + minutes * 60_000).toISOString();
    over = true;
    stop();
    report("tour_snoozed", { snoozed_until: until });
    states.change(tour, { state: "snoozed", snoozed_until: until });
    world.changed(run);
  };
  const press = ({ action }: Button) => {
    switch (action.do) {
      case "next":
        return complete();
      case "back":
        return enter(Math.max(0, index - 1), -1);
      case "finish":
        report("tour_step_completed", {}, index + 1);
        return end("completed");
      case "dismiss":
        return end("dismissed", "dismiss_button");
      case "snooze":
        return snooze(action.minutes);
      case "open_url":
        // In the same tab the tour goes on there.
        if (!action.new_tab) complete();
        return world.openUrl(action.url, action.new_tab);
      case "start_tour":
        if (index + 1 === steps.length) complete();
        else end("dismissed", "replaced");
        return world.startTour(action.tour);
      case "complete_item":
        world.completeItem(action.checklist, action.item);
        return complete();
    }
  };
  const stop = () => {
    clear();
    showing = false;
  };

  const run: TourRun = {
    tour,
    step: () => steps[index],
    isShowing: () => showing,
    next: () => complete(),
    goTo(stepId) {
      const to = steps.findIndex((step) => step.id === stepId);
      enter(to);
      return to >= 0;
    },
    end,
    stop,
  };
  if (!goesOn) report("tour_started");
  const at = steps.findIndex((step) => step.id === before.step_id);
  enter(goesOn ? Math.max(0, at) : 0);
  return run;
}

function wasSeen(session: string, step: string, store: Store): boolean {
  return store.read("seen") === session + step;
}

/** Whether it can go on in this page: the element of the step that the user has seen may be in another one. */
export function isHere(tour: Tour, { session_id, step_id }: State, store: Store): boolean {
  const step = tour.steps.find(({ id }) => id === step_id);
  return !step?.target || Boolean(find(step.target)) || !wasSeen(`${session_id}`, step.id, store);
}

/** Begun and not ended; a snooze that is over is a tour that goes on. */
export function isLive(state: State): boolean {
  return state.state === "in_progress" || (state.state === "snoozed" && Date.now() >= Date.parse(state.snoozed_until ?? ""));
}
