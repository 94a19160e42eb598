// The part of a rule that only the page can answer; the service has folded everything else away.

import type { Leaf, Rule } from "./content";
import { present } from "./targets";
import { urlMatches } from "./urls";

/** The first condition that keeps the rule from holding; null when it holds. */
export function failing(rule: Rule | null, language: string): Rule | null {
  if (!rule) return null;
  const each = (parts: Rule[]) => parts.map((part) => failing(part, language));
  if ("all" in rule) return each(rule.all).find(Boolean) ?? null;
  if ("any" in rule) {
    const missed = each(rule.any);
    return missed.includes(null) ? null : (missed[0] ?? rule);
  }
  if ("not" in rule) return failing(rule.not, language) ? null : rule;
  return holds(rule, language) ? null : rule;
}

/** Whether changes of the page's elements can change the answer. */
export function looksAtElements(rule: Rule | null): boolean {
  return JSON.stringify(rule).includes('"element"');
}

function holds(leaf: Leaf, language: string): boolean {
  switch (leaf.kind) {
    case "url":
      return urlMatches(leaf.op, leaf.value, location.href);
    case "element":
      return present(leaf.selector) === leaf.present;
    case "language":
      return speaks(language, leaf.value);
    case "device_width":
      return leaf.op === "at_least" ? innerWidth >= leaf.value : innerWidth <= leaf.value;
  }
}

/** en is spoken where en-US is, and not the other way round. */
export function speaks(language: string, wanted: string): boolean {
  const spelled = (tag: string) => `${tag.replace(/_/g, "-").toLowerCase()}-`;
  return spelled(language).startsWith(spelled(wanted));
}
