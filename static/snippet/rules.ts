// The part of a rule that only the page can answer; the service has folded everything else away.

import type { Leaf, Rule } from "./content";
import { present } from "./targets";
import { urlMatches } from "./urls";

/** The first condition that keeps the rule from holding; null when it holds. */
export function failing(rule: Rule | null, language: string): Leaf | null {
  if (!rule) return null;
  if ("all" in rule) return first(rule.all.map((part) => () => failing(part, language)));
  if ("any" in rule) {
    const missed = rule.any.map((part) => failing(part, language));
    return missed.includes(null) ? null : (missed[0] ?? null);
  }
  if ("not" in rule) return failing(rule.not, language) ? null : leafOf(rule.not);
  return holds(rule, language) ? null : rule;
}

/** Whether changes of the page's elements can change the answer. */
export function looksAtElements(rule: Rule | null): boolean {
  if (!rule) return false;
  if ("all" in rule) return rule.all.some(looksAtElements);
  if ("any" in rule) return rule.any.some(looksAtElements);
  return "not" in rule ? looksAtElements(rule.not) : rule.kind === "element";
}

function first(tries: (() => Leaf | null)[]): Leaf | null {
  for (const look of tries) {
    const found = look();
    if (found) return found;
  }
  return null;
}

function leafOf(rule: Rule): Leaf | null {
  if ("kind" in rule) return rule;
  if ("not" in rule) return leafOf(rule.not);
  const [inner] = "all" in rule ? rule.all : rule.any;
  return inner ? leafOf(inner) : null;
}

function holds(leaf: Leaf, language: string): boolean {
  switch (leaf.kind) {
    case "url":
      return urlMatches(leaf.op, leaf.value, location.href);
    case "element":
      return present(leaf.selector) === leaf.present;
    case "language":
      return `${language}-`.toLowerCase().startsWith(`${leaf.value}-`.toLowerCase());
    case "device_width":
      return leaf.op === "at_least" ? innerWidth >= leaf.value : innerWidth <= leaf.value;
  }
}
