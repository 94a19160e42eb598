// A checklist as people see it: a launcher in the corner, and the panel that it opens.

import type { Checklist, Item, State } from "./content";
import { guarded, listen, together, type Undo } from "./edge";
import { CHECK, CHEVRON, CROSS, h, icon, LOCK } from "./elements";
import { focused } from "./focus";
import { richText } from "./richtext";
import { furnish, type Stage } from "./stage";
import type { Fill } from "./texts";
import { dress } from "./theme";
import { count, wordsIn } from "./words";

export interface PanelAnswers {
  toggle(open: boolean): void;
  act(item: Item): void;
  dismiss(): void;
}

export interface PanelShown {
  checklist: Checklist;
  state: State;
  isOpen: boolean;
  fill: Fill;
  nonce: string;
  /** An element of the page that holds the panel, instead of the corner. */
  into: Element | null;
}

export interface Panel {
  /** Draws it anew; the focus and what is unfolded stay. */
  draw(state: State, isOpen: boolean): void;
  undo: Undo;
}

export function isLocked(checklist: Checklist, state: State, item: Item): boolean {
  const before = checklist.items.slice(0, checklist.items.indexOf(item));
  return checklist.order === "ordered" && before.some((other) => !state.items?.[other.id]);
}

export function doneCount(checklist: Checklist, state: State): number {
  return checklist.items.filter((item) => state.items?.[item.id]).length;
}

export function showPanel(stage: Stage, shown: PanelShown, answers: PanelAnswers): Panel {
  const { checklist, fill, into } = shown;
  const words = wordsIn(checklist.language);
  const steps = checklist.items.length;
  let unfolded = "";
  let wasDone = -1;
  let isOpen = shown.isOpen;
  let state = shown.state;
  const home = h("section", { "aria-label": fill(checklist.launcher.label), lang: checklist.language });

  const row = (item: Item): HTMLElement => {
    const isDone = Boolean(state.items?.[item.id]);
    const locked = !isDone && isLocked(checklist, state, item);
    const acts = item.action.do !== "none" || (item.done.by === "click" && !isDone);
    const folds = !locked && Boolean(item.html);
    const open = folds && item.id === unfolded;
    const button = h(
      "button",
      {
        class: "row",
        type: "button",
        id: `item-${item.id}`,
        "aria-expanded": folds ? `${open}` : null,
        "aria-disabled": folds || (acts && !locked) ? null : "true",
      },
      h("i", { class: "mark" }, isDone && icon(CHECK), locked && icon(LOCK)),
      h("span", {}, fill(item.title)),
      (isDone || locked) && h("b", { class: "hidden" }, isDone ? words.finished : words.locked),
      folds && icon(CHEVRON),
    );
    button.onclick = guarded(() => {
      if (folds) {
        unfolded = open ? "" : item.id;
        draw();
      } else if (acts && !locked) answers.act(item);
    });
    return h("li", { class: isDone ? "done" : "" }, button, open && more(item, acts));
  };
  const more = (item: Item, acts: boolean): HTMLElement => {
    const text = h("div", { class: "text" });
    text.append(richText(item.html, fill));
    const label = item.action.do === "none" ? words.mark : words.go;
    const act = h("button", { class: "button primary", type: "button", id: `act-${item.id}` }, label);
    act.onclick = guarded(() => answers.act(item));
    return h("div", { class: "more" }, text, acts && act);
  };
  const panel = (): HTMLElement => {
    const done = doneCount(checklist, state);
    const isOver = state.state === "completed" && checklist.completion;
    const said = count(words.done, done, steps);
    const fillOf = h("i");
    // From where it was, so that one sees it grow.
    fillOf.style.width = `${((wasDone < 0 ? done : wasDone) / steps) * 100}%`;
    requestAnimationFrame(() => (fillOf.style.width = `${(done / steps) * 100}%`));
    wasDone = done;
    const intro = h("div", { class: "text" });
    intro.append(richText(checklist.html, fill));
    const close = h("button", { class: "close", type: "button", id: "close", "aria-label": words.close }, icon(CROSS));
    close.onclick = guarded(() => answers.toggle(false));
    const dismiss = h("button", { class: "button link", type: "button", id: "dismiss" }, words.dismiss);
    dismiss.onclick = guarded(() => answers.dismiss());
    const parts = isOver
      ? [ending(isOver)]
      : [
          h(
            "div",
            { class: "head" },
            h("h2", {}, fill(checklist.title)),
            intro,
            h("div", { class: "bar" }, h("div", { class: "track", "aria-hidden": "true" }, fillOf), said),
          ),
          h("ul", { class: "items", role: "list" }, ...checklist.items.map(row)),
          checklist.dismissible && h("div", { class: "tail" }, dismiss),
        ];
    return h(
      "div",
      { class: `surface panel ${into ? "inline" : checklist.launcher.position}`, id: "panel", tabindex: -1 },
      ...parts,
      !into && close,
    );
  };
  const ending = (completion: { title: string; html: string }): HTMLElement => {
    const text = h("div", { class: "text" });
    text.append(richText(completion.html, fill));
    const mark = h("div", { class: "mark" }, icon(CHECK));
    return h("div", { class: "end done" }, mark, h("h2", {}, fill(completion.title)), text);
  };
  const launcher = (): HTMLElement => {
    const done = doneCount(checklist, state);
    const button = h(
      "button",
      { class: `surface launcher ${checklist.launcher.position}`, type: "button", id: "launcher", "aria-expanded": "false" },
      meter(done / steps),
      h("span", {}, fill(checklist.launcher.label)),
      h("span", { class: "hidden" }, `, ${count(words.done, done, steps)}`),
    );
    button.onclick = guarded(() => answers.toggle(true));
    return button;
  };
  const draw = () => {
    const kept = focused();
    const id = kept && home.contains(kept) ? kept.id : "";
    const scrolled = home.querySelector(".items")?.scrollTop ?? 0;
    const drawn = isOpen || into ? panel() : launcher();
    // The same part drawn anew does not come in anew.
    if (home.firstElementChild?.id === drawn.id) drawn.style.animation = "none";
    home.replaceChildren(drawn);
    home.querySelector(".items")?.scrollTo(0, scrolled);
    if (id) (home.querySelector<HTMLElement>(`#${CSS.escape(id)}`) ?? drawn).focus({ preventScroll: true });
  };
  const key = (event: KeyboardEvent) => {
    if (event.key === "Escape" && isOpen && !into) answers.toggle(false);
  };

  draw();
  return {
    draw(next, open) {
      const before = doneCount(checklist, state);
      state = next;
      isOpen = open;
      draw();
      const done = doneCount(checklist, state);
      if (done > before) stage.say(count(words.done, done, steps));
    },
    undo: together(
      dress(home, checklist.theme),
      into ? within(into, home, shown.nonce) : stage.show(home),
      listen(home, "keydown", key),
    ),
  };
}

/** Puts a surface into the page's own element, in a shadow root of its own. */
function within(place: Element, home: HTMLElement, nonce: string): Undo {
  const host = document.createElement("product-fruits-inline");
  furnish(host, nonce).append(home);
  place.append(host);
  return () => host.remove();
}

/** A ring that closes as things get done. */
function meter(share: number): SVGSVGElement {
  const circle = "M8 2a6 6 0 1 1 0 12 6 6 0 0 1 0-12";
  const svg = icon(circle);
  const done = svg.firstElementChild?.cloneNode() as SVGPathElement;
  const length = 37.7;
  svg.setAttribute("class", "meter");
  done.style.strokeDasharray = `${length}`;
  done.style.strokeDashoffset = `${length * (1 - share)}`;
  svg.append(done);
  return svg;
}
