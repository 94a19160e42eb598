// A checklist as people see it: a launcher in the corner, and the panel that it opens.

import type { Checklist, Item, State } from "../content";
import { listen, together, type Undo } from "../edge";
import { doneCount, isLocked } from "../items";
import { count, type Fill } from "../texts";
import { CHECK, CHEVRON, CROSS, h, icon, LOCK } from "./elements";
import { focused } from "./focus";
import { richText } from "./richtext";
import type { Stage } from "./stage";
import { dress } from "./theme";

export interface PanelAnswers {
  toggle(open: boolean): void;
  act(item: Item): void;
  dismiss(): void;
}

export interface Panel {
  /** Draws it anew; the focus and what is unfolded stay. */
  draw(): void;
  undo: Undo;
}

export function showPanel(
  stage: Stage,
  checklist: Checklist,
  fill: Fill,
  now: () => { state: State; isOpen: boolean },
  answers: PanelAnswers,
): Panel {
  const { words, items, completion, launcher, language, theme } = checklist;
  const home = h("section", { "aria-label": fill(launcher.label), lang: language });
  let unfolded = "";
  let before = -1;

  const row = (item: Item, state: State) => {
    const isDone = Boolean(state.items?.[item.id]);
    const locked = !isDone && isLocked(checklist, state, item);
    const acts = item.action.do !== "none" || (item.done.by === "click" && !isDone);
    const folds = !locked && Boolean(item.html);
    const isUnfolded = folds && item.id === unfolded;
    const press = () => {
      if (!folds) return acts && !locked && answers.act(item);
      unfolded = isUnfolded ? "" : item.id;
      draw();
    };
    const label = item.action.do === "none" ? words.mark : words.go;
    return h(
      isDone ? "li.done" : "li",
      {},
      h(
        "button.row",
        {
          id: `item-${item.id}`,
          "aria-expanded": folds && `${isUnfolded}`,
          "aria-disabled": !folds && (locked || !acts) && "true",
          onclick: press,
        },
        h("i.mark", {}, isDone && icon(CHECK), locked && icon(LOCK)),
        h("span", {}, fill(item.title)),
        (isDone || locked) && h("b.hidden", {}, isDone ? words.finished : words.locked),
        folds && icon(CHEVRON),
      ),
      isUnfolded &&
        h(
          "div.more",
          {},
          richText(item.html, fill),
          acts && h("button.button.primary", { id: "act", onclick: () => answers.act(item) }, label),
        ),
    );
  };
  const panel = (state: State, done: number, said: string) => {
    const bar = h("i");
    // From where it was, so that one sees it grow.
    bar.style.width = `${(100 * Math.max(before, 0)) / items.length}%`;
    requestAnimationFrame(() => (bar.style.width = `${(100 * done) / items.length}%`));
    const parts =
      state.state === "completed" && completion
        ? [h("div.end.done", {}, h("i.mark", {}, icon(CHECK)), h("h2", {}, fill(completion.title)), richText(completion.html, fill))]
        : [
            h(
              "div.head",
              {},
              h("h2", {}, fill(checklist.title)),
              richText(checklist.html, fill),
              h("div.bar", {}, h("div.track", {}, bar), said),
            ),
            h("ul.items", { role: "list" }, ...items.map((item) => row(item, state))),
            checklist.dismissible &&
              h("div.tail", {}, h("button.button.link", { id: "dismiss", onclick: answers.dismiss }, words.dismiss)),
          ];
    return h(
      `div.surface.panel.${launcher.position}`,
      { id: "panel", tabindex: -1 },
      ...parts,
      h("button.close", { id: "close", "aria-label": words.close, onclick: () => answers.toggle(false) }, icon(CROSS)),
    );
  };
  const draw = () => {
    const { state, isOpen } = now();
    const done = doneCount(checklist, state);
    const said = count(words.done, done, items.length);
    const id = home.contains(focused()) && focused()?.id;
    const scrolled = home.querySelector(".items")?.scrollTop ?? 0;
    const drawn =
      isOpen
        ? panel(state, done, said)
        : h(
            `button.surface.launcher.${launcher.position}`,
            { id: "launcher", "aria-expanded": "false", onclick: () => answers.toggle(true) },
            h("b", { "aria-hidden": "true" }, `${done}/${items.length}`),
            fill(launcher.label),
            h("span.hidden", {}, `, ${said}`),
          );
    // The same part drawn anew does not come in anew.
    if (home.firstElementChild?.id === drawn.id) drawn.style.animation = "none";
    home.replaceChildren(drawn);
    home.querySelector(".items")?.scrollTo(0, scrolled);
    if (id) (home.querySelector<HTMLElement>(`#${id}`) ?? drawn).focus({ preventScroll: true });
    if (before >= 0 && done > before) stage.say(said);
    before = done;
  };
  const close = ({ key }: KeyboardEvent) => key === "Escape" && now().isOpen && answers.toggle(false);

  const undo = together(
    dress(home, theme),
    stage.show(null, home),
    listen(home, "keydown", close),
  );
  draw();
  return { draw, undo };
}
