// What the parts that draw and report share. Nothing here runs.

import type { Undo } from "./edge";
import type { Reporter } from "./report";
import type { States } from "./states";
import type { Store } from "./store";
import type { Fill } from "./texts";
import type { View } from "./viewfile";

export interface Page {
  view: View;
  states: States;
  store: Store;
  report: Reporter["report"];
  fill(): Fill;
  /** Calls at every event of the page's own. */
  onTracked(heard: (name: string) => void): Undo;
  openUrl(url: string, newTab?: boolean): void;
}
