// Sets the chosen theme before the first paint; "system" (or nothing chosen) leaves it to prefers-color-scheme.
// Loaded on its own, blocking, in <head>: a file and not inline, for the Content-Security-Policy.

const KEY = "theme";
const CHOICES = ["light", "dark", "system"] as const;
type Theme = (typeof CHOICES)[number];

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return CHOICES.find((choice) => choice === value) ?? "system";
  } catch {
    // Storage can be forbidden by the browser's settings; then the theme lasts for the page.
    return "system";
  }
}

function apply(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function choose(theme: Theme): void {
  apply(theme);
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // See stored().
  }
}

apply(stored());
// Shows what needs JavaScript, without it jumping in later.
document.documentElement.classList.add("js");

// A control is any <input type="radio" name="theme" value="light|dark|system">.
document.addEventListener("DOMContentLoaded", () => {
  for (const input of document.querySelectorAll<HTMLInputElement>('input[type="radio"][name="theme"]')) {
    input.checked = input.value === stored();
    input.addEventListener("change", () => {
      const theme = CHOICES.find((choice) => choice === input.value);
      if (theme) choose(theme);
    });
  }
});
