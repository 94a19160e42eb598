// A step of a tour as people see it: a tooltip at an element, or a modal.

import type { Button, Step, Theme } from "./content";
import { guarded, listen, together, type Undo } from "./edge";
import { CROSS, h, icon } from "./elements";
import { focused, holdFocus } from "./focus";
import { onMove, place } from "./position";
import { isSafe, richText } from "./richtext";
import type { Stage } from "./stage";
import { isVisible } from "./targets";
import type { Fill } from "./texts";
import { dress } from "./theme";
import { count, wordsIn } from "./words";

export interface Shown {
  step: Step;
  target: Element | null;
  theme: Theme;
  language: string;
  fill: Fill;
  number: number;
  steps: number;
}

export interface Answers {
  press(button: Button): void;
  close(reason: "close_button" | "escape"): void;
  /** The element is gone. */
  lost(): void;
}

const MANY_DOTS = 8;
const HOLE = 6;
const ROUND = 8;

export function showCard(stage: Stage, shown: Shown, answers: Answers): Undo {
  const { step, target, theme, language, fill, number, steps } = shown;
  const words = wordsIn(language);
  const isModal = !target;
  const progress = count(words.step, number, steps);

  const close = h("button", { class: "close", type: "button", "aria-label": words.close }, icon(CROSS));
  const buttons = step.buttons.map((button) => {
    const element = h("button", { class: `button ${button.style}`, type: "button" }, fill(button.label));
    element.onclick = guarded(() => answers.press(button));
    return element;
  });
  close.onclick = guarded(() => answers.close("close_button"));
  const image = step.image && isSafe(step.image.url) && h("img", { src: step.image.url, alt: step.image.alt });
  const text = h("div", { class: "text", id: "text" });
  text.append(richText(step.html, fill));
  const tip = h("div", { class: "arrow" });
  const card = h(
    "div",
    {
      class: `surface card ${isModal ? `modal at-${theme.position}` : "tooltip"}`,
      role: "dialog",
      "aria-modal": isModal ? "true" : null,
      "aria-labelledby": "title",
      "aria-describedby": "text",
      tabindex: -1,
      lang: language,
    },
    target && tip,
    h(
      "div",
      { class: "scroll" },
      image,
      h("h2", { id: "title" }, fill(step.title)),
      text,
      (steps > 1 || buttons.length > 0) &&
        h("div", { class: "foot" }, steps > 1 && dots(number, steps, progress), h("div", { class: "buttons" }, ...buttons)),
    ),
    close,
  );
  const ring = h("div", { class: "ring" });
  const backdrop = h("div", { class: "backdrop" });
  const dimmed = step.backdrop || isModal;
  backdrop.onclick = guarded(() => {
    card.classList.remove("nudge");
    requestAnimationFrame(() => card.classList.add("nudge"));
  });

  const move = () => {
    if (!target) return;
    if (!isVisible(target)) return answers.lost();
    const box = around(target.getBoundingClientRect());
    Object.assign(ring.style, { left: `${box.x}px`, top: `${box.y}px`, width: `${box.w}px`, height: `${box.h}px` });
    backdrop.style.clipPath = hole(box);
    place(target, card, tip, step.placement);
  };
  const take = (event: KeyboardEvent) => {
    const inside = card.contains(focused());
    if (event.defaultPrevented || (!inside && focused() !== document.body)) return;
    if (event.key === "Escape") answers.close("escape");
    const side = { ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0;
    const forward = getComputedStyle(card).direction === "rtl" ? -side : side;
    const wanted = forward > 0 ? ["next", "finish"] : forward < 0 ? ["back"] : [];
    const found = step.buttons.find((button) => wanted.includes(button.action.do));
    if (found) answers.press(found);
  };

  const first = buttons[step.buttons.findIndex((button) => button.style === "primary")] ?? buttons[0] ?? null;
  const undo = together(
    dress(card, theme),
    dress(ring, theme),
    dimmed ? stage.show(backdrop, target) : () => {},
    target ? stage.show(ring, target) : () => {},
    stage.show(card, target),
    listen(card, "keydown", take),
    // For keys that go to nobody: our own never leave the stage.
    listen(document, "keydown", take),
    target ? onMove(target, card, move) : () => {},
    holdFocus(card, { first, target, trapped: dimmed, modal: isModal }),
  );
  if (target) reveal(target);
  guarded(move)();
  if (steps > 1) stage.say(`${progress}: ${fill(step.title)}`);
  return undo;
}

function dots(number: number, steps: number, said: string): HTMLElement {
  if (steps > MANY_DOTS) return h("div", { class: "dots" }, `${number} / ${steps}`);
  const marks = Array.from({ length: steps }, (_, index) => h("i", { class: index === number - 1 ? "on" : "" }));
  return h("div", { class: "dots", role: "img", "aria-label": said }, ...marks);
}

/** Scrolls only if it has to, and without a journey for people who do not want one. */
function reveal(target: Element): void {
  const { top, bottom, left, right } = target.getBoundingClientRect();
  if (top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  target.scrollIntoView({ block: "center", inline: "nearest", behavior: still ? "auto" : "smooth" });
}

interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

function around({ x, y, width, height }: DOMRect): Box {
  return { x: x - HOLE, y: y - HOLE, w: width + 2 * HOLE, h: height + 2 * HOLE };
}

/** Everything but the box: what is cut out is neither painted nor clicked. */
function hole({ x, y, w, h }: Box): string {
  const corner = (dx: number, dy: number) => `a${ROUND} ${ROUND} 0 0 1 ${dx} ${dy}`;
  const side = Math.max(0, w - 2 * ROUND);
  const rise = Math.max(0, h - 2 * ROUND);
  const path =
    `M0 0H99999V99999H0ZM${x + ROUND} ${y}h${side}${corner(ROUND, ROUND)}v${rise}${corner(-ROUND, ROUND)}` +
    `h${-side}${corner(-ROUND, -ROUND)}v${-rise}${corner(ROUND, -ROUND)}Z`;
  return `path(evenodd,"${path}")`;
}
