// Rich text: the service's HTML, read by a parser that runs nothing, and built anew from what is allowed.

import { h } from "./elements";
import type { Fill } from "./texts";

/** Tags with their attributes; scripts/build.mjs takes them from productfruits/adoption/markup.json. */
declare const MARKUP: { tags: Record<string, string[]>; schemes: string[] };

const TAGS = new Map(Object.entries(MARKUP.tags));
/** Backslashes and spaces inside an address lead elsewhere than they look. */
const ADDRESS = new RegExp(`^((${MARKUP.schemes.join("|")}):|/(?!/)|[#?.])[^\\s\\\\]*$`, "i");

export function isSafe(address: string): boolean {
  return ADDRESS.test(address);
}

export function richText(html: string, fill: Fill): DocumentFragment {
  const into = document.createDocumentFragment();
  copy(parse(html), into, fill);
  return into;
}

function copy(from: Node, into: Node, fill: Fill): void {
  for (const node of from.childNodes) {
    if (node instanceof Text) into.appendChild(document.createTextNode(fill(node.data)));
    else if (node instanceof Element) copy(node, into.appendChild(made(node) ?? document.createDocumentFragment()), fill);
  }
}

/** The element itself where it is allowed; what stands in others is dropped with them. */
function made(source: Element): HTMLElement | null {
  const allowed = TAGS.get(source.localName);
  if (!allowed) return null;
  const element = h(source.localName as "a");
  for (const name of allowed) {
    const value = source.getAttribute(name);
    if (value !== null && (name !== "href" || isSafe(value))) element.setAttribute(name, value);
  }
  // Somewhere else in a tab of its own, without a way back into this page.
  if (element.protocol?.startsWith("http") && element.host !== location.host) {
    element.target = "_blank";
    element.rel = "noopener noreferrer";
  }
  return element;
}

/** Pages that require Trusted Types allow our policy, "productfruits", or get the text without its markup. */
function parse(html: string): Node {
  type Policies = { createPolicy(name: string, rules: { createHTML(html: string): string }): typeof rules };
  const types = (window as { trustedTypes?: Policies }).trustedTypes;
  try {
    policy ??= types?.createPolicy("productfruits", { createHTML: (same) => same });
    return new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html").body;
  } catch {
    return h("p", {}, html.replace(/<[^>]*>/g, " "));
  }
}

let policy: { createHTML(html: string): string } | undefined;
