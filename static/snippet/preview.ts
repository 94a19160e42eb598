// A preview link carries its token in the fragment, which no server sees. It is taken out of the address before anything
// else runs, and holds for this tab.

import { ofTab } from "./store";

export function takePreview(): string {
  const [, before, token] = /^(.*?)[#&]?productfruits-preview=([^&]*)/.exec(location.hash) ?? [];
  if (token === undefined) return ofTab("preview");
  history.replaceState(history.state, "", location.pathname + location.search + before);
  return ofTab("preview", token);
}
