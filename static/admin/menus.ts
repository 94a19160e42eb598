// Menus are <details data-menu>, so they open without JavaScript. With it they also close as people expect:
// by a click elsewhere, and by Escape, which gives the focus back.

function openMenus(): HTMLDetailsElement[] {
  return [...document.querySelectorAll<HTMLDetailsElement>("details[data-menu][open]")];
}

document.addEventListener("click", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target as Node)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  const innermost = openMenus().at(-1);
  if (event.key !== "Escape" || !innermost) return;
  innermost.open = false;
  innermost.querySelector("summary")?.focus();
});
