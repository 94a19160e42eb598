// The editor of content. Without this file it works by its buttons; with it, controls that the chosen kind does not have
// go away, what was folded open stays open when the form is drawn again, and the preview follows what was saved.

const form = document.querySelector<HTMLFormElement>("form[data-editor]");

// A control with data-when="steps.0.kind" data-is="tooltip modal" shows while that control has one of these values.
function fit(root: ParentNode): void {
  for (const control of root.querySelectorAll<HTMLElement>("[data-when]")) {
    const decides = form?.elements.namedItem(control.dataset.when ?? "");
    const value = decides instanceof HTMLSelectElement || decides instanceof HTMLInputElement ? decides.value : "";
    control.hidden = !(control.dataset.is ?? "").split(" ").includes(value);
  }
}

function unfolded(): Set<string> {
  const open = document.querySelectorAll<HTMLDetailsElement>("details[data-fold][open]");
  return new Set([...open].map((details) => details.dataset.fold ?? ""));
}

if (form) {
  let open = new Set<string>();
  fit(form);
  form.addEventListener("change", (event) => {
    fit(form);
    // Another kind of condition has other inputs: the server draws them.
    if (event.target instanceof HTMLSelectElement && "redraws" in event.target.dataset) {
      form.querySelector<HTMLButtonElement>("[data-redraw]")?.click();
    }
  });
  document.addEventListener("htmx:beforeSwap", () => {
    open = unfolded();
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const details of form.querySelectorAll<HTMLDetailsElement>("details[data-fold]")) {
      if (open.has(details.dataset.fold ?? "")) details.open = true;
    }
    fit(form);
  });
  // Sent by the server with the answer to a draft that was saved.
  document.addEventListener("draft-saved", () => {
    const preview = document.querySelector<HTMLIFrameElement>("iframe[data-preview]");
    if (!preview) return;
    // The address has to differ before its fragment, or the browser only looks for a place in the page.
    const address = new URL(preview.src);
    address.searchParams.set("saved", String(Date.now()));
    preview.src = address.href;
  });
}
