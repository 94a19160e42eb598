// Several tabs, one user: the tab in which the user is shows what there is, the others follow.

import { listen, together, type Undo } from "./edge";
import type { Store } from "./store";
import { uuid } from "./uuid";

export interface Tabs {
  leads(): boolean;
  undo: Undo;
}

export function openTabs(store: Store, changed: () => void): Tabs {
  const own = uuid();
  let leading = document.visibilityState === "visible" && (document.hasFocus() || !store.read("tab"));
  if (leading) store.write("tab", own);

  const take = () => {
    if (document.visibilityState !== "visible" || leading) return;
    store.write("tab", own);
    leading = true;
    changed();
  };
  const follow = () => {
    const other = store.read<string>("tab");
    // Whoever led has left.
    if (!other) return take();
    if (other === own || !leading) return;
    leading = false;
    changed();
  };
  const undo = together(
    store.watch("tab", follow),
    listen(document, "visibilitychange", take),
    listen(window, "focus pageshow", take),
    listen(document, "pointerdown keydown", take, { capture: true, passive: true }),
    listen(window, "pagehide", () => {
      leading = false;
      if (store.read("tab") === own) store.write("tab", null);
    }),
  );
  return { leads: () => leading, undo };
}
