// A step of a tour as people see it: a tooltip at an element, or a modal.

import { isSafe } from "../addresses";
import type { Button, Step, Tour } from "../content";
import { listen, together, type Undo } from "../edge";
import { isVisible } from "../targets";
import { count, type Fill } from "../texts";
import { CROSS, h, icon } from "./elements";
import { focused, holdFocus } from "./focus";
import { onMove, place } from "./position";
import { richText } from "./richtext";
import type { Stage } from "./stage";
import { dress } from "./theme";

export interface Answers {
  press(button: Button): void;
  close(reason: "close_button" | "escape"): void;
  /** The element is gone. */
  lost(): void;
}

const MANY_DOTS = 8;
const HOLE = 6;

export function showCard(
  stage: Stage,
  tour: Tour,
  step: Step,
  target: Element | null,
  fill: Fill,
  isFollowing: boolean,
  answers: Answers,
): Undo {
  const { steps, theme, words, language } = tour;
  const number = steps.indexOf(step) + 1;
  const progress = count(words.step, number, steps.length);
  const isModal = !target && step.backdrop;

  const buttons = step.buttons.map((button) =>
    h(`button.button.${button.style}`, { onclick: () => answers.press(button) }, fill(button.label)),
  );
  const image = step.image && isSafe(step.image.url) && h("img", { src: step.image.url, alt: step.image.alt });
  const marks =
    steps.length > MANY_DOTS
      ? [`${number} / ${steps.length}`]
      : steps.map((each) => h(each === step ? "i.on" : "i"));
  const dots = steps.length > 1 && h("div.dots", { role: "img", "aria-label": progress }, ...marks);
  const tip = h("div.arrow");
  const card = h(
    `div.surface.card.${target ? "tooltip" : `modal.${theme.position}`}`,
    {
      role: "dialog",
      "aria-modal": isModal,
      "aria-labelledby": "title",
      "aria-describedby": "text",
      tabindex: -1,
      lang: language,
    },
    target && tip,
    h(
      "div.scroll",
      {},
      image,
      h("h2", { id: "title" }, fill(step.title)),
      richText(step.html, fill, { id: "text" }),
      (dots || buttons[0]) && h("div.foot", {}, dots, h("div.buttons", {}, ...buttons)),
    ),
    h(
      "button.close",
      { "aria-label": words.close, onclick: () => answers.close("close_button") },
      icon(CROSS),
    ),
  );
  const ring = h("div.ring");
  let [ringLeft, ringTop] = [0, 0];
  // A click beside the card is no answer; the card only says that it is there.
  const backdrop = h("div.backdrop", {
    onclick: () => card.animate({ scale: [1, 1.02, 1] }, 250),
  });

  const move = async () => {
    if (!target) return;
    if (!isVisible(target)) return answers.lost();
    // All is measured before anything is moved: the page is laid out once.
    const { x, y, width, height } = target.getBoundingClientRect();
    const { left: seenLeft, top: seenTop } = ring.getBoundingClientRect();
    // What is fixed in a dialog that is moved by `transform` is fixed to the dialog, not to the window.
    const [left, top] = [x - HOLE - (seenLeft - ringLeft), y - HOLE - (seenTop - ringTop)];
    const [wide, tall] = [width + 2 * HOLE, height + 2 * HOLE];
    await place(target, card, tip, step.placement);
    [ringLeft, ringTop] = [left, top];
    Object.assign(ring.style, { left: `${left}px`, top: `${top}px`, width: `${wide}px`, height: `${tall}px` });
    // Everything but the box: what is cut out is neither painted nor clicked.
    backdrop.style.clipPath = `path(evenodd,"M0 0H9999V9999H0zM${left} ${top}h${wide}v${tall}H${left}z")`;
  };
  const take = (event: KeyboardEvent) => {
    const here = focused();
    if (event.defaultPrevented || !(card.contains(here) || here === document.body)) return;
    if (event.key === "Escape") return answers.close("escape");
    const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0;
    const wanted = ["back", "", "next finish"][1 + (getComputedStyle(card).direction === "rtl" ? -turn : turn)];
    const found = turn && step.buttons.find((button) => (wanted as string).includes(button.action.do));
    if (found) answers.press(found);
  };

  const primary = step.buttons.findIndex((button) => button.style === "primary");
  const undo = together(
    dress(card, theme),
    dress(ring, theme),
    stage.show(target, step.backdrop && backdrop, target && ring, card),
    target && onMove(target, card, move),
    listen(card, "keydown", take),
    // Keys that go to nobody; those in our cards never leave the stage.
    listen(document, "keydown", take),
    holdFocus(card, buttons[primary] ?? buttons[0] ?? null, target, step.backdrop, isFollowing),
  );
  if (target) reveal(target);
  if (dots) stage.say(`${progress}: ${fill(step.title)}`);
  return undo;
}

/** Scrolls only if it has to, and without a journey for people who do not want one. */
function reveal(target: Element): void {
  const { top, bottom, left, right } = target.getBoundingClientRect();
  if (top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth) return;
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  target.scrollIntoView({ block: "center", inline: "nearest", behavior: isStill ? "auto" : "smooth" });
}
