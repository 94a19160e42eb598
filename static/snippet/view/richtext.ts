// Rich text: the service's HTML, read by a parser that runs nothing, and built anew from what is allowed.

import { isSafe } from "../addresses";
import type { Fill } from "../texts";
import { h } from "./elements";

/** What is allowed, one after the other; scripts/build.mjs takes it from productfruits/adoption/markup.json. */
declare const MARKUP: { tags: string; attributes: string };

const TAGS = MARKUP.tags.split(" ");
/** Of all tags together: what has no meaning for one does nothing there. */
const ATTRIBUTES = MARKUP.attributes.split(" ");

type Policy = { createHTML(html: string): string };

export function richText(html: string, fill: Fill, attributes: Record<string, unknown> = {}): HTMLElement {
  const into = h("div.text", attributes);
  copy(parse(html), into, fill);
  return into;
}

/** Of an element that is not allowed nothing is left, neither itself nor what stands in it. */
function copy(from: Node, into: Element, fill: Fill): void {
  for (const node of from.childNodes) {
    if (node instanceof Text) into.append(fill(node.data));
    const source = node as Element;
    if (!TAGS.includes(source.localName)) continue;
    const element = h(source.localName) as HTMLAnchorElement;
    for (const name of ATTRIBUTES) {
      const value = source.getAttribute(name);
      if (value && (name !== "href" || isSafe(value))) element.setAttribute(name, value);
    }
    // Another site gets a tab of its own, without a way back into this page.
    if (element.protocol?.startsWith("http") && element.host !== location.host) {
      element.target = "_blank";
      element.rel = "noopener noreferrer";
    }
    copy(source, into.appendChild(element), fill);
  }
}

/** Pages that require Trusted Types allow our policy, "productfruits", or get the text without its markup. */
function parse(html: string): Node {
  const types = (window as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } }).trustedTypes;
  try {
    policy ??= types?.createPolicy("productfruits", { createHTML: (same) => same });
    return new DOMParser().parseFromString(policy?.createHTML(html) ?? html, "text/html").body;
  } catch {
    return h("p", {}, html.replace(/<[^>]*>/g, " "));
  }
}

/** A page allows a name once, so the policy outlives whoever asked for it. */
let policy: Policy | undefined;
