// A preview link carries its token in the fragment, which no server sees. It is taken out of the address before anything
// else runs, and holds for this tab.

import { ofTab } from "./store";

const MARK = "productfruits-preview=";

export function takePreview(): string {
  const at = location.hash.indexOf(MARK);
  if (at < 0) return ofTab("preview");
  const [token = ""] = location.hash.slice(at + MARK.length).split("&");
  const before = location.hash.slice(0, at).replace(/[#&]$/, "");
  history.replaceState(history.state, "", location.pathname + location.search + before);
  return ofTab("preview", token);
}
