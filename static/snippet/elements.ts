// Builds elements. Text is text: nothing here reads HTML.

type Child = Node | string | null | false | undefined;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number | boolean | null | undefined> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value || value === 0) element.setAttribute(name, `${value}`);
  }
  element.append(...children.filter((child): child is Node | string => Boolean(child)));
  return element;
}

/** A drawing of lines in a box of 16 by 16, in the colour of the text. */
export function icon(path: string): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export const CROSS = "m4 4 8 8m0-8-8 8";
export const CHECK = "m3.5 8.5 3 3 6-7";
export const CHEVRON = "m4 6 4 4 4-4";
export const LOCK = "M4.5 7.5h7v5h-7zM6 7.5V5.8a2 2 0 0 1 4 0v1.7";
