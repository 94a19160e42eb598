// Whether a text is a CSS selector only a browser can tell: what it would not take finds nothing in the customer's page.

const COMPLAINT =
  "A browser does not take this for a CSS selector, so it would find nothing. Examples: #invite, .sidebar button";

// Before the form hears of it: a form whose inputs are not valid is not saved.
document.addEventListener(
  "change",
  ({ target }) => {
    if (!(target instanceof HTMLInputElement) || !target.name.endsWith(".selector")) return;
    target.setCustomValidity(isSelector(target.value) ? "" : COMPLAINT);
    target.reportValidity();
  },
  { capture: true },
);

function isSelector(text: string): boolean {
  if (text.trim() === "") return true;
  try {
    document.createDocumentFragment().querySelector(text);
    return true;
  } catch {
    return false;
  }
}
