// The look that the author chose, as properties that the style sheet reads.

import type { Theme } from "../content";
import { listen, type Undo } from "../edge";

export function dress(element: HTMLElement, theme: Theme): Undo {
  const night = matchMedia("(prefers-color-scheme: dark)");
  const wear = () => {
    const dark = theme.mode === "dark" || (theme.mode === "auto" && night.matches);
    const colors = dark ? theme.dark : theme.light;
    const set = (name: string, value: string) => element.style.setProperty(`--${name}`, value);
    for (const [name, value] of Object.entries(colors)) set(name, value);
    set("radius", `${theme.radius}px`);
    set("font", theme.font === "inherit" ? getComputedStyle(document.body).fontFamily : theme.font);
    element.style.colorScheme = dark ? "dark" : "light";
  };
  wear();
  return listen(night, "change", wear);
}
