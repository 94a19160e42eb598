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

type Typed = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

// What the controls hold, by name.
function held(root: ParentNode): Map<string, string> {
  const values = new Map<string, string>();
  for (const control of root.querySelectorAll<Typed>("[name]:not([type=hidden]):not(button)")) {
    const isBox = control instanceof HTMLInputElement && control.type === "checkbox";
    values.set(control.name, isBox ? String(control.checked) : control.value);
  }
  return values;
}

// Puts back what was typed while the form was being drawn, and has it saved.
function retype(root: ParentNode, typed: Map<string, string>): void {
  for (const [name, value] of typed) {
    const control = root.querySelector<Typed>(`[name="${CSS.escape(name)}"]:not([type=hidden])`);
    if (!control) continue;
    if (control instanceof HTMLInputElement && control.type === "checkbox") control.checked = value === "true";
    else control.value = value;
    control.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

function unfolded(): Set<string> {
  const open = document.querySelectorAll<HTMLDetailsElement>("details[data-fold][open]");
  return new Set([...open].map((details) => details.dataset.fold ?? ""));
}

if (form) {
  let open = new Set<string>();
  let sent = new Map<string, string>();
  let typed = new Map<string, string>();
  fit(form);
  form.addEventListener("change", () => fit(form));
  // Another kind of condition has other inputs: the server draws them. Caught on its way down, so that the form is not
  // also saved while the new inputs are still empty.
  form.addEventListener(
    "change",
    (event) => {
      if (!(event.target instanceof HTMLSelectElement) || !("redraws" in event.target.dataset)) return;
      event.stopPropagation();
      form.querySelector<HTMLButtonElement>("[data-redraw]")?.click();
    },
    { capture: true },
  );
  // Only then every input keeps its name. After a button that moves parts it may be another one's.
  const isRedraw = (event: Event) => (event as CustomEvent<{ elt?: Element }>).detail.elt?.matches("[data-redraw]");
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isRedraw(event)) sent = held(form);
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    open = unfolded();
    const asked = (event as CustomEvent<{ requestConfig?: { elt?: Element } }>).detail.requestConfig?.elt;
    if (!asked?.matches("[data-redraw]")) return;
    typed = new Map([...held(form)].filter(([name, value]) => sent.has(name) && sent.get(name) !== value));
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const details of form.querySelectorAll<HTMLDetailsElement>("details[data-fold]")) {
      if (open.has(details.dataset.fold ?? "")) details.open = true;
    }
    fit(form);
    const again = typed;
    typed = new Map();
    retype(form, again);
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
