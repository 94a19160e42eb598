// The status on the Segment page: <div data-live="seconds" hx-trigger="tick" …> is asked for again on a timer, but
// not while nobody looks at the page, and less often after an hour. The server answers 204 where nothing has changed.

const PATIENCE_MS = 60 * 60 * 1000;

function announce(region: Element): void {
  const says = document.getElementById("live-says");
  const words = region.querySelector("[data-announce]")?.textContent ?? "";
  if (says && says.textContent !== words) says.textContent = words;
}

function watch(region: HTMLElement): void {
  const started = Date.now();
  const everyMs = Number(region.dataset.live) * 1000;
  const next = (): void => {
    const slower = Date.now() - started > PATIENCE_MS ? 10 : 1;
    setTimeout(() => {
      if (!document.hidden) region.dispatchEvent(new Event("tick"));
      next();
    }, everyMs * slower);
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) region.dispatchEvent(new Event("tick"));
  });
  let state = region.querySelector("[data-announce]")?.textContent;
  region.addEventListener("htmx:afterSettle", () => {
    const now = region.querySelector("[data-announce]")?.textContent;
    if (now !== state) announce(region);
    state = now;
  });
  next();
}

for (const region of document.querySelectorAll<HTMLElement>("[data-live]")) watch(region);
