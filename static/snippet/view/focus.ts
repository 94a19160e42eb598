// Where the keyboard is: into a card when it appears, around in it, and back when it goes.

import { later, listen, together, type Undo } from "../edge";

const FOCUSABLE = "a[href],button,input,select,textarea,summary,[tabindex]";

/** The focused element, also inside open shadow roots. */
export function focused(): HTMLElement | null {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element as HTMLElement | null;
}

function reachable(within: Element | null): HTMLElement[] {
  const all = within ? [within, ...within.querySelectorAll(FOCUSABLE)] : [];
  return (all as HTMLElement[]).filter((each) => each.tabIndex >= 0 && !each.matches(":disabled") && each.getClientRects()[0]);
}

/**
 * Moves the focus to `first` (else to the card), at once if the card `isFollowing` another one, and gives it back at the end.
 *
 * The element that the card points at comes after the card in the order of Tab, since the user may have to press it. With
 * a backdrop Tab goes round. With a backdrop and without an element the card is modal: it takes the focus even from somebody
 * who is writing, and shuts the page off for screen readers, too.
 */
export function holdFocus(
  card: HTMLElement,
  first: HTMLElement | null,
  target: Element | null,
  isDim: boolean,
  isFollowing: boolean,
): Undo {
  const before = focused();
  const isModal = isDim && !target;
  const wasInert = document.body.inert;
  if (isModal) document.body.inert = true;
  const mayTake = isModal || !before?.matches("input,textarea,select,[contenteditable]");
  const take = () => {
    if (mayTake) (first ?? card).focus({ preventScroll: true });
  };
  // The page has to be laid out before anything can have the focus: not in the task that has taken the answer in. But a
  // card that follows another one has it at once, or the next key would go to the page.
  const cancel = !isFollowing && later(0, take);
  if (isFollowing) take();

  const tab = (event: KeyboardEvent) => {
    if (event.key !== "Tab") return;
    const ring = [...reachable(card), ...reachable(target)];
    const next = ring.indexOf(focused() as HTMLElement) + (event.shiftKey ? -1 : 1);
    // Without a backdrop the page's own order goes on behind the element.
    if (!isDim && next === ring.length) return;
    event.preventDefault();
    ring.at(next % ring.length)?.focus();
  };
  return together(
    cancel,
    listen(card, "keydown", tab),
    target && listen(target, "keydown", tab),
    () => {
      if (isModal) document.body.inert = wasInert;
      const now = focused();
      // Only if nobody has moved it meanwhile.
      if (!now || now === document.body || card.contains(now)) before?.focus({ preventScroll: true });
    },
  );
}
