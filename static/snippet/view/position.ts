// Where a card stands beside its element, and when it has to be found anew.

import { arrow, autoUpdate, computePosition, flip, offset, type Placement, type Side, shift } from "@floating-ui/dom";
import { guarded, together, type Undo } from "../edge";
import { watch } from "../targets";

const GAP = 14;
/** From the window's edges, and of the arrow from the card's corners. */
const EDGE = 12;
const CORNER = 10;

const SIDES = ["bottom", "top", "right", "left"] as const;
const OPPOSITE = { top: "bottom", bottom: "top", left: "right", right: "left" } as const;
const TURN = { bottom: 45, left: 135, top: 225, right: 315 };

/**
 * On the wanted side, else on the opposite one, else on the one with most room; never out of the window, rather over the
 * element.
 */
export async function place(target: Element, card: HTMLElement, tip: HTMLElement, wanted: string): Promise<void> {
  const [first, align] = (wanted === "auto" ? "bottom" : wanted).split("-") as [Side, string?];
  const at = (side: Side) => (align ? `${side}-${align}` : side) as Placement;
  const { x, y, placement, middlewareData } = await computePosition(target, card, {
    strategy: "fixed",
    placement: at(first),
    middleware: [
      offset(GAP),
      flip({ padding: EDGE, crossAxis: false, fallbackPlacements: [OPPOSITE[first], ...SIDES].map(at) }),
      shift({ padding: EDGE, crossAxis: true }),
      arrow({ element: tip, padding: CORNER }),
    ],
  });
  Object.assign(card.style, { left: `${Math.round(x)}px`, top: `${Math.round(y)}px` });
  const side = placement.split("-")[0] as Side;
  const { x: left, y: top } = middlewareData.arrow ?? {};
  const along = left === undefined ? `top:${top}px` : `left:${left}px`;
  tip.style.cssText = `${along};${OPPOSITE[side]}:-6px;transform:rotate(${TURN[side]}deg)`;
}

/** Calls now, and whenever the element or the card may have moved, until undone. */
export function onMove(target: Element, card: HTMLElement, moved: () => unknown): Undo {
  const safe = guarded(moved);
  return together(
    autoUpdate(target, card, safe),
    // What the page does around an element can also take it away.
    watch(() => void safe()),
  );
}
