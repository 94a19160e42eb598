// The one element that we add to the page, with one shadow root, in which everything of ours is drawn.

import { listen, together, type Undo } from "../edge";
import { HOST } from "../targets";
import { h } from "./elements";
import css from "./styles.css";

/** What happens in our elements is not the page's business: its menus stay open, its shortcuts silent, its focus traps calm. */
const OURS = "click mousedown pointerdown touchstart keydown keyup focusin focusout";

export interface Stage {
  /** Draws above the page, and inside the page's open <dialog> if `near` is in one: all else is inert then. */
  show(near: Element | null, ...elements: (HTMLElement | false | null)[]): Undo;
  /** Read out by screen readers. */
  say(text: string): void;
  /** Another one, which stands in an element of the page. */
  inside(element: Element): Stage;
  undo: Undo;
}

export function openStage(nonce: string, inside?: Element): Stage {
  const host = h(inside ? `${HOST}.in` : HOST);
  // What is no element throws now, while only the call that gave it is waiting.
  if (inside !== undefined) inside.append(host);
  const live = h("div.hidden", { role: "status" });
  const body = h("div", {}, live);
  const root = host.attachShadow({ mode: "open" });
  try {
    // A style that no Content-Security-Policy has to allow.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
  } catch {
    // Browsers of before 2023.
    root.append(h("style", { nonce }, css));
  }
  root.append(body);

  return {
    show(near, ...elements) {
      body.dir = getComputedStyle(document.documentElement).direction;
      const home = inside ?? near?.closest("dialog[open]") ?? document.documentElement;
      // Routers replace what is in <body>, so we stand beside it.
      if (host.parentNode !== home) home.append(host);
      const shown = elements.filter((each) => !!each);
      body.append(...shown);
      return () => shown.forEach((each) => each.remove());
    },
    say(text) {
      live.textContent = text;
    },
    inside: (element) => openStage(nonce, element),
    undo: together(
      listen(host, OURS, (event) => event.stopPropagation()),
      () => host.remove(),
    ),
  };
}
