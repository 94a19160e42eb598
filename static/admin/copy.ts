// Copy buttons: <button data-copy="id of an input">. Says so for a moment, to the eye and to screen readers.

const SAID_MS = 2_000;

function copied(button: HTMLButtonElement): void {
  const words = button.querySelector<HTMLElement>("[data-copy-words]");
  const icon = button.querySelector<HTMLElement>("[data-copy-icon]");
  const check = button.querySelector<HTMLElement>("[data-copied]");
  const label = button.getAttribute("aria-label") ?? "Copy";
  if (button.dataset.said) return;
  button.dataset.said = "yes";
  button.setAttribute("aria-label", label.replace(/^Copy/, "Copied"));
  if (words) words.textContent = "Copied";
  if (icon) icon.hidden = true;
  if (check) check.hidden = false;
  setTimeout(() => {
    delete button.dataset.said;
    button.setAttribute("aria-label", label);
    if (words) words.textContent = "Copy";
    if (icon) icon.hidden = false;
    if (check) check.hidden = true;
  }, SAID_MS);
}

async function copy(button: HTMLButtonElement, input: HTMLInputElement): Promise<void> {
  input.select();
  try {
    await navigator.clipboard.writeText(input.value);
  } catch {
    // Over plain http to another machine browsers have no clipboard; the old way still works there.
    if (!document.execCommand("copy")) return; // the value stays selected: Ctrl+C does it
  }
  copied(button);
  button.focus();
}

document.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLButtonElement>("button[data-copy]");
  const input = button && document.getElementById(button.dataset.copy ?? "");
  if (button && input instanceof HTMLInputElement) void copy(button, input);
});

document.addEventListener("focusin", (event) => {
  if (event.target instanceof HTMLInputElement && "select" in event.target.dataset) event.target.select();
});
