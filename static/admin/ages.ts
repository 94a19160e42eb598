// Keeps "3 minutes ago" true while a page stays open. The words are those of web/admin/words.py, so nothing jumps.

const STEPS: readonly (readonly [number, string])[] = [
  [60, "second"],
  [60, "minute"],
  [24, "hour"],
  [7, "day"],
  [4.35, "week"],
  [12, "month"],
];

function ago(then: number, now: number): string {
  const seconds = (now - then) / 1000;
  let size = Math.abs(seconds);
  if (size < 10) return "just now";
  let unit = "year";
  for (const [step, name] of STEPS) {
    if (size < step) {
      unit = name;
      break;
    }
    size /= step;
  }
  const count = Math.max(1, Math.trunc(size));
  const words = `${count} ${unit}${count > 1 ? "s" : ""}`;
  return seconds > 0 ? `${words} ago` : `in ${words}`;
}

function refresh(): void {
  const now = Date.now();
  for (const element of document.querySelectorAll<HTMLTimeElement>("time[data-age]")) {
    const words = ago(Date.parse(element.dateTime), now);
    if (element.textContent !== words) element.textContent = words;
  }
}

setInterval(() => {
  if (!document.hidden) refresh();
}, 15_000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});
