// Where a card stands beside its element, and what to do when either moves. Cards are fixed to the window, so the window
// and the element are all that a position depends on.

import { guarded, listen, together, type Undo } from "./edge";
import { watch } from "./targets";

const GAP = 14;
const EDGE = 12;
const CORNER = 16;

type Side = "top" | "bottom" | "left" | "right";

const OPPOSITE = { top: "bottom", bottom: "top", left: "right", right: "left" } as const;
const TURN = { bottom: 45, left: 135, top: 225, right: 315 };

/** On the wanted side, else on the one with most room; never out of the window, rather over the element. */
export function place(target: Element, card: HTMLElement, tip: HTMLElement, wanted: string): void {
  const box = target.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  const height = window.innerHeight;
  const { offsetWidth: wide, offsetHeight: tall } = card;
  const room = { bottom: height - box.bottom - tall, top: box.top - tall, right: width - box.right - wide, left: box.left - wide };
  const [first, align] = (wanted === "auto" ? "bottom" : wanted).split("-") as [Side, string?];
  const sides = [first, OPPOSITE[first], ...(Object.keys(room) as Side[])];
  const side =
    sides.find((each) => room[each] >= GAP + EDGE) ?? sides.reduce((one, other) => (room[other] > room[one] ? other : one));

  const isUpright = side === "top" || side === "bottom";
  const [start, length, size, most] = isUpright
    ? [box.left, box.width, wide, width]
    : [box.top, box.height, tall, height];
  // The sides of right-to-left pages are the same, but their lines start at the right.
  const atStart = align === (isUpright && getComputedStyle(card).direction === "rtl" ? "end" : "start");
  const along = clamp(!align ? start + (length - size) / 2 : atStart ? start : start + length - size, most - size);
  const depth = isUpright ? height - tall : width - wide;
  const isAfter = side === "bottom" || side === "right";
  const across = clamp(isAfter ? depth - room[side] + GAP : room[side] - GAP, depth);
  const [x, y] = isUpright ? [along, across] : [across, along];
  Object.assign(card.style, { left: `${x}px`, top: `${y}px` });

  const middle = Math.max(CORNER, Math.min(start + length / 2 - along, size - CORNER)) - 6;
  tip.style.cssText = `${isUpright ? "left" : "top"}:${middle}px;${OPPOSITE[side]}:-6px;transform:rotate(${TURN[side]}deg)`;
}

function clamp(at: number, most: number): number {
  return Math.round(Math.max(EDGE, Math.min(at, most - EDGE)));
}

/** Calls whenever the element or the card may have moved, until undone. */
export function onMove(target: Element, card: Element, moved: () => void): Undo {
  const sizes = new ResizeObserver(guarded(moved));
  for (const each of [target, card, document.body]) sizes.observe(each);
  return together(
    () => sizes.disconnect(),
    listen(window, "scroll resize transitionend load", moved, { capture: true, passive: true }),
    // What the page does around an element can push it elsewhere, or take it away.
    watch(() => void moved()),
  );
}
