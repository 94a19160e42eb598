// Where the keyboard is: into a card when it appears, around in it, and back when it goes.

import { listen, together, type Undo } from "./edge";

const FOCUSABLE = "a[href],button:not([disabled]),input:not([disabled]),select,textarea,summary,[tabindex]";

/** The focused element, also inside open shadow roots. */
export function focused(): HTMLElement | null {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element as HTMLElement | null;
}

function reachable(within: Element): HTMLElement[] {
  const all = [...(within.matches(FOCUSABLE) ? [within] : []), ...within.querySelectorAll(FOCUSABLE)] as HTMLElement[];
  return all.filter((element) => element.tabIndex >= 0 && element.getClientRects().length > 0);
}

function isWriting(): boolean {
  const element = focused();
  return Boolean(element?.isContentEditable || element?.matches("input,textarea,select"));
}

/**
 * Moves the focus to `first` (else to the card) and gives it back at the end.
 *
 * `target`: comes after the card in the order of Tab, since the user may have to press it. `trapped`: Tab goes round.
 * A modal card takes the focus even from somebody who is writing, and shuts the page off for screen readers as well.
 */
export function holdFocus(
  card: HTMLElement,
  options: { first: HTMLElement | null; target: Element | null; trapped: boolean; modal: boolean },
): Undo {
  const before = focused();
  const { first, target, trapped, modal } = options;
  const wasInert = document.body.inert;
  if (modal) document.body.inert = true;
  if (modal || !isWriting()) (first ?? card).focus({ preventScroll: true });

  const tab = (event: KeyboardEvent) => {
    if (event.key !== "Tab") return;
    const ring = [...reachable(card), ...(target ? reachable(target) : [])];
    const here = ring.indexOf(focused() as HTMLElement);
    const next = here + (event.shiftKey ? -1 : 1);
    // Without a trap the page's own order goes on behind the element.
    if (!trapped && (here < 0 || (next === ring.length && target))) return;
    event.preventDefault();
    ring.at(next % ring.length)?.focus();
  };
  return together(
    listen(card, "keydown", tab),
    target ? listen(target, "keydown", tab) : () => {},
    () => {
      if (modal) document.body.inert = wasInert;
      const within = focused();
      // Only if nobody has moved it meanwhile.
      if (before?.isConnected && (!within || within === document.body || card.contains(within))) {
        before.focus({ preventScroll: true });
      }
    },
  );
}
