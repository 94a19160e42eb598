// Builds elements. Text is text: nothing here reads HTML.

import { guarded } from "../edge";

type Child = Node | string | false | null | undefined;

/** h("button.close", { onclick: leave }, "Leave"): what is false or null is left out. */
export function h(named: string, attributes: Record<string, unknown> = {}, ...children: Child[]): HTMLElement {
  const [tag = "", ...classes] = named.split(".");
  const element = document.createElement(tag);
  element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") (element as unknown as Record<string, unknown>)[name] = guarded(value as () => void);
    else if (value !== false && value != null) element.setAttribute(name, `${value}`);
  }
  element.append(...(children.filter(Boolean) as Node[]));
  return element;
}

/** A drawing of lines in a box of 16 by 16, in the colour of the text. */
export function icon(path: string): Node {
  const make = (tag: string) => document.createElementNS("http://www.w3.org/2000/svg", tag);
  const [svg, line] = [make("svg"), make("path")];
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export const CROSS = "m4 4 8 8m0-8-8 8";
export const CHECK = "m3.5 8.5 3 3 6-7";
export const CHEVRON = "m4 6 4 4 4-4";
export const LOCK = "M4.5 7.5h7v5h-7zM6 7.5V5.8a2 2 0 0 1 4 0v1.7";
