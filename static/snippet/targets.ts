// Finds the element that a step points at: by selector, else by data attribute, else by its text; in open shadow roots, too.

import { guarded, later, type Undo } from "./edge";
import type { Target } from "./content";

/** The one element that we add to the page. */
export const HOST = "product-fruits";
const CLICKABLE = "a,button,input,summary,label,[role]";
/** Often enough for the eye, seldom enough for a page that changes all the time. */
const PACE_MS = 100;

export function find({ selector, data, text }: Target): Element | null {
  const places = roots();
  const wanted = squeezed(text ?? "");
  const says = (each: Element) => squeezed((each as HTMLInputElement).value || each.textContent || "");
  return (
    (selector && search(places, selector)) ||
    (data && search(places, `[data-${data.name}="${CSS.escape(data.value)}"]`)) ||
    (wanted && search(places, CLICKABLE, (each) => says(each) === wanted)) ||
    null
  );
}

/** True for an element that can be seen by scrolling; one that is folded away is not there. */
export function isVisible(element: Element): boolean {
  const box = element.getBoundingClientRect();
  return element.isConnected && box.width + box.height > 0 && getComputedStyle(element).visibility === "visible";
}

export function present(selector: string): boolean {
  return search(roots(), selector) !== null;
}

/** Calls `look` after changes of the page until it answers true, at most every PACE_MS. */
export function watch(look: () => boolean | void): Undo {
  let cancel: Undo | null = null;
  const changed = () => {
    cancel ??= later(PACE_MS, () => {
      cancel = null;
      if (look()) undo();
      else observe();
    });
  };
  const observer = new MutationObserver(guarded(changed));
  // Observing anew what is observed already changes nothing; shadow roots come and go.
  const observe = () => {
    for (const root of roots()) {
      observer.observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
    }
  };
  const undo = () => {
    observer.disconnect();
    cancel?.();
    cancel = () => {};
  };
  observe();
  return undo;
}

/** The document and every open shadow root in it, but ours. */
function roots(): (Document | ShadowRoot)[] {
  const found: (Document | ShadowRoot)[] = [document];
  for (const root of found) {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot && element.localName !== HOST) found.push(element.shadowRoot);
    }
  }
  return found;
}

/** The first that can be seen. */
function search(places: ParentNode[], selector: string, fits: (each: Element) => unknown = () => true): Element | null {
  try {
    const found = places.flatMap((place) => [...place.querySelectorAll(selector)]);
    return found.find((each) => fits(each) && isVisible(each)) ?? null;
  } catch {
    // No selector of this browser: the next way to find it.
    return null;
  }
}

function squeezed(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
