// The wiring. Everything is an argument of something else; what lives on is what is returned and undone here.

import { readConfig } from "./config";
import { print } from "./debug";
import { guarded, warn } from "./edge";
import { openIdentity } from "./identity";
import { takePreview } from "./preview";
import { openApi, safe } from "./publicapi";
import { drainQueue } from "./queue";
import { openReporter } from "./report";
import { type Service, startService } from "./service";
import type { GateReport, ProductFruits, UserData } from "./snippet";
import { openStore } from "./store";

declare const VERSION: string;

/** Where the name we want belongs to somebody else, like the vendor's own snippet. */
const OTHER_NAME = "openProductFruits";
const OURS = Symbol.for("productfruits");

const NO_CONSENT: GateReport[] = [
  { key: "", kind: "tour", name: "", gates: [{ gate: "consent", passed: false, code: "no_consent" }] },
];

guarded(start)();

function start(): void {
  const config = readConfig();
  const page = window as unknown as Record<string, unknown>;
  const taken = page[config.name] as object | undefined;
  // Two tags in one page are one.
  if (taken && OURS in taken) return;
  let name = config.name;
  if (taken && !(taken instanceof Element)) {
    name = OTHER_NAME;
    warn(`window.${config.name} is taken: this is window.${name} (data-global)`);
    if (page[name]) return;
  }
  const preview = takePreview();
  let workspace = config.workspace;
  let spoken = config.language;
  let allowed = !config.consentNeeded && !asksForPeace();
  let service: Service | null = null;
  const store = openStore(config.workspace);
  const identity = openIdentity(store, () => workspace);
  const early: UserData[] = [];
  let isLoaded = () => {};
  const loaded = new Promise<void>((done) => (isLoaded = done));

  const reporter = openReporter(() => service, Boolean(preview));
  const open = () => {
    if (service || !allowed || !workspace) return;
    service = startService({
      config,
      store,
      identity,
      reporter,
      language: () => spoken || document.documentElement.lang || navigator.language,
      preview,
      loaded: isLoaded,
    });
    for (const user of early.splice(0)) service.say(user);
  };
  const close = () => {
    service?.undo();
    service = null;
  };
  const identify = (user: UserData) => {
    if (service) service.say(user);
    else early.push(user);
  };

  const us: ProductFruits = safe<ProductFruits>({
    init(user) {
      if (user) identify(user);
    },
    identify,
    identifyUser: identify,
    reset() {
      early.length = 0;
      service?.reset();
    },
    consent(given) {
      allowed = given;
      if (given) return open();
      close();
      store.clear();
    },
    safeExec: (work) => void loaded.then(guarded(work)),
    async debug() {
      const reports = service ? await service.debug().catch(() => []) : NO_CONSENT;
      print(reports);
      return reports;
    },
    destroy() {
      close();
      unqueue();
      if (page[name] === us) delete page[name];
    },
    version: VERSION,
    api: openApi(() => service, reporter, loaded),
  });
  Object.assign(us, { [OURS]: true });
  page[name] = us;
  const unqueue = drainQueue(`$${name}`, us, (key, language) => {
    workspace ||= key;
    spoken ||= language ?? "";
    open();
  });
  open();
  void loaded.then(guarded(() => announce(page, name)));
}

/** Do Not Track and Global Privacy Control are a no, until the page says consent(true). */
function asksForPeace(): boolean {
  const { doNotTrack, globalPrivacyControl } = navigator as Navigator & { globalPrivacyControl?: boolean };
  return doNotTrack === "1" || Boolean(globalPrivacyControl);
}

function announce(page: Record<string, unknown>, name: string): void {
  page[`${name}IsReady`] = true;
  const ready = page[`${name}Ready`];
  if (typeof ready === "function") ready();
  window.dispatchEvent(new Event("productfruits_ready"));
}
