// How far the user is in each content: what the service says, and above it what has just happened in this browser.
//
// What happens here is seen by the other tabs at once, and holds until the service has it.

import type { Content, State } from "./content";
import type { Undo } from "./edge";
import type { Store } from "./store";

interface Local extends State {
  at: number;
}

interface Book {
  who: string;
  states: Record<string, Local>;
}

export interface States {
  /** What the service says, to a question asked at `since`: what is older here is in its answer. */
  learn(contents: Content[], since: number): void;
  of(content: Content): State;
  change(content: Content, change: Partial<State>): void;
  /** Whether it may begin by itself now. */
  mayStart(content: Content): boolean;
  /** Somebody else's states are not ours. A visitor who logs in goes on. */
  belongTo(username: string): void;
  undo: Undo;
}

/** Another tab may not have delivered what it wrote here. */
const GRACE_MS = 5_000;

export function openStates(store: Store, changed: () => void): States {
  const empty = (who: string): Book => ({ who, states: {} });
  let book = store.read<Book>("states") ?? empty("");
  // Ended in this page: it does not start by itself again in it, however often its author wants it shown.
  const ended = new Set<number>();
  const told = new Map<number, State>();
  const save = () => store.write("states", book);
  const of = (content: Content): State => {
    const known = told.get(content.id) ?? { state: "not_started" };
    const here = book.states[content.id];
    if (!here) return known;
    // Of another attempt nothing counts any more: what it had done is here, too, unless this one began anew.
    const same = known.session_id === here.session_id ? known : here;
    return { ...known, ...here, ...(isOver(same) && { state: same.state }), items: { ...same.items, ...here.items } };
  };

  return {
    of,
    change(content, change) {
      book.states[content.id] = { ...of(content), ...change, at: Date.now() };
      ended[isOver(book.states[content.id]) ? "add" : "delete"](content.id);
      save();
      changed();
    },
    mayStart(content) {
      const here = book.states[content.id];
      return content.eligible && !ended.has(content.id) && !isOver(here) && here?.state !== "snoozed";
    },
    learn(contents, since) {
      told.clear();
      for (const { id, state } of contents) if (state) told.set(id, state);
      for (const [id, here] of Object.entries(book.states)) {
        if (here.at < since - GRACE_MS) delete book.states[id];
      }
      save();
    },
    belongTo(username) {
      if (book.who && book.who !== username) {
        book = empty(username);
        ended.clear();
      }
      book.who = username;
      save();
    },
    undo: store.watch("states", () => {
      book = store.read<Book>("states") ?? empty("");
      changed();
    }),
  };
}

export function isOver(state: State | undefined): boolean {
  return state?.state === "completed" || state?.state === "dismissed";
}
