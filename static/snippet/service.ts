// Everything that runs once the user may be asked about: wired here, undone as one.

import { isSafe } from "./addresses";
import { type Analytics, connectAnalytics } from "./analytics";
import { openApi } from "./api";
import type { Config } from "./config";
import type { Answer, Message } from "./content";
import { explain } from "./debug";
import { type Director, openDirector } from "./director";
import { later, listen, together, type Undo } from "./edge";
import type { Identity } from "./identity";
import { onNavigation } from "./navigation";
import { openOutbox } from "./outbox";
import type { Reporter } from "./report";
import type { ContentId, GateReport, UserData } from "./snippet";
import { openStates, type States } from "./states";
import { ofTab, type Store } from "./store";
import { openSync } from "./sync";
import { openTabs } from "./tabs";
import { filler } from "./texts";
import { uuid } from "./uuid";
import { openView } from "./viewfile";

/** How long a page may take to say who the user is before it gets what every visitor gets; longer with a library there. */
const UNKNOWN_MS = 1_500;
const LOADING_MS = 5_000;
/** Until what the page has just told Segment may have come to the service. */
const BY_WEBHOOK_MS = 2_500;
const NAVIGATED_MS = 250;

export interface Service {
  director: Director;
  states: States;
  analytics: Analytics;
  settings(): Answer["settings"];
  put(message: object): void;
  restart(checklist: ContentId): boolean;
  say(user: UserData): void;
  reset(): void;
  track(name: string, attributes: object, forward: boolean): void;
  debug(): Promise<GateReport[]>;
  undo: Undo;
}

export interface ServiceWorld {
  config: Config;
  store: Store;
  identity: Identity;
  reporter: Reporter;
  language(): string;
  preview: string;
  /** The service has answered the first time. */
  loaded(): void;
}

export function startService({ config, store, identity, reporter, language, preview, loaded }: ServiceWorld): Service {
  let settings: Answer["settings"] = { to_segment: true, event_names: {} };
  let known: Answer["traits"] = {};
  let who = "";
  const trackers = new Set<(name: string) => void>();
  const api = openApi(config.host);
  const outbox = openOutbox(api, store);
  const view = openView(config.host, config.nonce);
  const states = openStates(store, () => director.soon());
  const tabs = openTabs(store, () => director.update());
  const openUrl = (url: string, newTab = false) => {
    const asked = new CustomEvent("productfruits:navigate", { cancelable: true, detail: { url, newTab } });
    // A page with a router of its own says preventDefault() and goes there itself.
    if (!isSafe(url) || !window.dispatchEvent(asked)) return;
    if (newTab) window.open(url, "_blank", "noopener");
    else location.assign(url);
  };
  const director = openDirector({
    view,
    states,
    store,
    report: reporter.report,
    fill: () => filler(identity.traits(), known),
    onTracked(heard) {
      trackers.add(heard);
      return () => trackers.delete(heard);
    },
    openUrl,
    leads: () => tabs.leads() && Boolean(document.body),
    language,
  });
  const more = () => ({ language: language(), preview });
  const sync = openSync({
    api,
    outbox,
    asked: identity.asked,
    more,
    heard(answer, since) {
      ({ settings, traits: known } = answer);
      // A link works once; what it gave us holds for this tab.
      if (answer.preview) preview = ofTab("preview", answer.preview);
      states.learn(answer.contents, since);
      director.use(answer);
      if (tabs.leads()) answer.unreported.forEach(handOn);
      loaded();
    },
  });
  /** Once in this browser: the next answers repeat it until the service has heard that it was told. */
  const handOn = (message: Message) => {
    const told = store.read<string[]>("told") ?? [];
    if (told.includes(message.event_id)) return;
    store.write("told", [...told, message.event_id].slice(-99));
    reporter.repeat(message);
    if (message.event === "checklist_completed") director.openChecklist(message.properties.id);
  };
  /** Somebody else's content goes away at once. */
  const changed = () => {
    const now = identity.asked().username ?? "";
    if (now !== who) director.use(null);
    who = now;
    states.belongTo(now);
    sync.now();
  };
  const tracked = (name: string) => {
    for (const heard of [...trackers]) heard(name);
    sync.within(BY_WEBHOOK_MS);
  };
  const analytics = connectAnalytics({
    knows: (user) => identity.hear(user) && changed(),
    tracked,
  });
  const put = (message: object) => outbox.put(identity.asked(), { timestamp: new Date().toISOString(), ...message });
  const identified = (user: UserData) => {
    const traits = identity.traits();
    const print = JSON.stringify([user.username, traits, user.group]);
    // A page says the same at every load; once a visit is enough.
    if (!user.username || ofTab("said") === print) return;
    ofTab("said", print);
    put({ type: "identify", message_id: uuid(), traits });
    if (user.group) put({ type: "group", message_id: uuid(), group: user.group });
  };
  const waitFor = (ms: number) => later(ms, () => identity.isKnown() || (analytics.isThere() && ms < LOADING_MS) || sync.now());

  const undo = together(
    analytics.undo,
    onNavigation(() => {
      director.update();
      sync.within(NAVIGATED_MS);
    }),
    listen(document, "DOMContentLoaded", director.soon),
    waitFor(UNKNOWN_MS),
    waitFor(LOADING_MS),
    outbox.undo,
    states.undo,
    tabs.undo,
    view.undo,
    director.undo,
    sync.undo,
  );
  if (identity.isKnown()) changed();

  return {
    director,
    states,
    analytics,
    settings: () => settings,
    put,
    restart(id) {
      const checklist = director.find(id);
      if (checklist?.kind !== "checklist") return false;
      const session_id = uuid();
      // What happens in a preview is not kept.
      if (!preview) put({ type: "reset", message_id: session_id, checklist: checklist.id });
      states.change(checklist, { state: "not_started", session_id, items: {} });
      sync.within(0);
      return true;
    },
    say(user) {
      if (identity.say(user)) changed();
      identified(user);
    },
    reset() {
      identity.reset();
      changed();
    },
    track(name, attributes, forward) {
      const event_id = uuid();
      put({ type: "track", event_id, event: name, properties: attributes });
      if (forward) analytics.track(name, { ...attributes }, event_id);
      // The library tells us about what it is given.
      if (!(forward && analytics.isThere())) tracked(name);
      sync.within(NAVIGATED_MS);
    },
    async debug() {
      const answer = await api.content(identity.asked(), { ...more(), debug: "1" });
      const tour = director.tour();
      return explain(answer, director.held, ({ kind, id }) => {
        if (!tabs.leads()) return "another tab";
        return kind === "tour" && tour?.isShowing() && tour.tour.id !== id ? tour.tour.name : undefined;
      });
    },
    undo,
  };
}
