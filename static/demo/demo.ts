// The demo app's own script: who its user is, what its buttons do, and a stand-in of analytics.js that shows its calls.
// It stands before the snippet, as a customer's script does.

interface Window {
  analytics?: unknown;
}

const SHOWN = 50;
const user = JSON.parse(document.currentScript?.dataset.user ?? "{}") as { username: string };

function list(kind: string, name: string, properties: unknown): void {
  const wire = document.getElementById("wire");
  if (wire === null) {
    document.addEventListener("DOMContentLoaded", () => list(kind, name, properties));
    return;
  }
  wire.querySelector(".nothing")?.remove();
  const item = document.createElement("li");
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const said = document.createElement("strong");
  said.textContent = name;
  summary.append(`${kind} `, said);
  const json = document.createElement("pre");
  json.textContent = JSON.stringify(properties, null, 2);
  details.append(summary, json);
  item.append(details);
  wire.prepend(item);
  while (wire.childElementCount > SHOWN) wire.lastElementChild?.remove();
}

// As much of analytics.js as a page and the snippet use of it.
window.analytics = {
  initialized: true,
  ready: (done: () => void) => queueMicrotask(done),
  user: () => ({ id: () => user.username, traits: () => ({}), anonymousId: () => null }),
  on: () => undefined,
  track: (name: string, properties: object = {}) => list("track", name, properties),
  identify: (id: string, traits: object = {}) => list("identify", id, traits),
};
const queue = (window.$productFruits ??= []);
queue.push(["init", "", navigator.language, user]);

document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-does]")) {
    button.addEventListener("click", () => act(button.dataset.does ?? ""));
  }
});

// A real app calls analytics.track and the event comes by Segment's webhook. Here nothing stands behind analytics, so
// the event goes to the store by the snippet as well.
function act(event: string): void {
  list("track", event, {});
  window.productFruits?.api?.events?.track(event);
  if (event !== "Project Created") return;
  const projects = document.querySelector("[data-projects]");
  const row = projects?.firstElementChild?.cloneNode(true) as HTMLElement | undefined;
  if (projects && row) {
    ["Untitled project", "just now", "New"].forEach((text, index) => {
      const cell = row.children[index];
      if (cell) cell.textContent = text;
    });
    projects.prepend(row);
  }
  const count = document.querySelector("[data-count]");
  if (count) count.textContent = String(Number(count.textContent) + 1);
}
