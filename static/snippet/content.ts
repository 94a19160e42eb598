// What GET /browser/v1/content answers. Nothing here runs.

import type { GateReport } from "./snippet";

export type Text = Record<string, unknown>;

export type Leaf =
  | { kind: "url"; op: "is" | "contains" | "glob"; value: string }
  | { kind: "element"; selector: string; present: boolean }
  | { kind: "language"; value: string }
  | { kind: "device_width"; op: "at_least" | "at_most"; value: number };

export type Rule = { all: Rule[] } | { any: Rule[] } | { not: Rule } | Leaf;

/** When and how an item was done; here it only counts that it was. */
export type Done = object;

/** As the page sends messages and the service sends back what no page has told its analytics. */
export interface Message {
  type: "track";
  event_id: string;
  event: string;
  timestamp: string;
  properties: { id: number };
}

export interface State {
  state: "not_started" | "in_progress" | "completed" | "dismissed" | "snoozed";
  session_id?: string | null;
  step_id?: string | null;
  items?: Record<string, Done> | null;
  times_shown?: number;
  snoozed_until?: string | null;
}

export interface Target {
  selector?: string | null;
  data?: { name: string; value: string } | null;
  text?: string | null;
}

export type Action =
  | { do: "none" | "next" | "back" | "finish" | "dismiss" }
  | { do: "snooze"; minutes: number }
  | { do: "open_url"; url: string; new_tab?: boolean }
  | { do: "start_tour"; tour: string }
  | { do: "complete_item"; checklist: string; item: string };

export interface Button {
  id: string;
  label: string;
  style: "primary" | "secondary" | "link";
  action: Action;
}

export interface Step {
  id: string;
  name: string;
  kind: "tooltip" | "modal";
  title: string;
  html: string;
  image?: { url: string; alt: string } | null;
  target?: Target | null;
  placement: string;
  backdrop: boolean;
  advance: { on: "button" | "click" | "event"; event?: string };
  wait: { seconds: number; missing: "skip" | "stop" };
  buttons: Button[];
}

export interface Item {
  id: string;
  title: string;
  html: string;
  action: Action;
  done: { by: "click" | "tour" | "event" | "trait" | "api"; tour?: string };
}

export interface Colors {
  background: string;
  text: string;
  accent: string;
  accent_text: string;
  border: string;
}

export interface Theme {
  mode: "light" | "dark" | "auto";
  light: Colors;
  dark: Colors;
  radius: number;
  font: string;
  position: "center" | "top" | "bottom-right" | "bottom-left";
}

interface Common {
  id: number;
  key: string;
  name: string;
  version: number;
  language: string;
  priority: number;
  start: "auto" | "manual";
  rule: Rule | null;
  theme: Theme;
  /** The few words that are not the author's, in the language of the content. */
  words: Record<"close" | "step" | "done" | "dismiss" | "locked" | "finished" | "go" | "mark", string>;
  state: State | null;
  eligible: boolean;
}

export interface Tour extends Common {
  kind: "tour";
  steps: Step[];
}

export interface Checklist extends Common {
  kind: "checklist";
  title: string;
  html: string;
  order: "free" | "ordered";
  launcher: { label: string; position: "bottom-right" | "bottom-left" };
  open: boolean;
  dismissible: boolean;
  items: Item[];
  completion: { title: string; html: string } | null;
}

export type Content = Tour | Checklist;

export type Gate = GateReport["gates"][number];

export interface Answer {
  visit: number;
  traits: Text;
  settings: { to_segment: boolean; event_names: Record<string, string | null> };
  contents: Content[];
  /** Keys of what the user has completed, also of what is not sent. */
  completed: string[];
  /** What the service found out itself. */
  unreported: Message[];
  why?: GateReport[];
  reasons?: Record<string, { gate: string; text: string }>;
}
