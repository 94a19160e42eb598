// {{trait|fallback}} in texts, filled in as text and never as HTML.

import type { Text } from "./content";

export type Fill = (text: string) => string;

/** `sources`: traits, the ones that count first. firstName, first_name and First Name are one. */
export function filler(...sources: Text[]): Fill {
  const known = new Map<string, string>();
  for (const traits of sources) {
    for (const [name, value] of Object.entries(traits)) {
      const key = plain(name);
      if (known.has(key) || !(typeof value === "string" || typeof value === "number")) continue;
      if (`${value}`.trim()) known.set(key, `${value}`);
    }
  }
  return (text) =>
    text.replace(/\{\{([^{}|\n]+)(?:\|([^{}\n]*))?\}\}/g, (_, name: string, fallback = "") => {
      return known.get(plain(name)) ?? fallback.trim();
    });
}

function plain(name: string): string {
  return name.replace(/[\s_-]/g, "").toLowerCase();
}

/** "Step {} of {}" with its numbers. */
export function count(words: string, ...numbers: number[]): string {
  return words.replace(/\{\}/g, () => `${numbers.shift()}`);
}
