// Tells when the page's address changes without a load: routers of single-page apps call History, which has no event.

import { guarded, listen, together, type Undo } from "./edge";

export function onNavigation(moved: () => void): Undo {
  let address = location.href;
  const look = guarded(() => {
    if (location.href === address) return;
    address = location.href;
    moved();
  });
  return together(
    listen(window, "popstate hashchange", look),
    wrap("pushState", look),
    wrap("replaceState", look),
  );
}

/** Ours calls theirs first and answers what theirs answers. Who wrapped us later keeps working after the undo. */
function wrap(name: "pushState" | "replaceState", look: () => void): Undo {
  const theirs = history[name];
  let live = true;
  const ours: typeof theirs = function (this: History, ...given) {
    const answer = theirs.apply(this, given);
    if (live) look();
    return answer;
  };
  history[name] = ours;
  return () => {
    live = false;
    if (history[name] === ours) history[name] = theirs;
  };
}
