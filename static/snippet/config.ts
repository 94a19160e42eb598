// What the script tag says. Read while the script runs, since document.currentScript is gone afterwards.

export interface Config {
  /** Where we were loaded from, without a slash at the end. */
  host: string;
  workspace: string;
  /** The name of our global. */
  name: string;
  language: string;
  nonce: string;
  consentNeeded: boolean;
}

export function readConfig(): Config {
  const tag = document.currentScript as HTMLScriptElement | null;
  const data = tag?.dataset ?? {};
  const address = new URL(tag?.src || location.href);
  // Everything before the file's own name, so that a service below a path works.
  const folder = address.pathname.replace(/\/(static\/dist\/)?[^/]*$/, "");
  return {
    host: address.origin + folder,
    workspace: data["workspace"] ?? "",
    name: data["global"] || "productFruits",
    language: data["language"] ?? "",
    nonce: tag?.nonce ?? "",
    consentNeeded: data["consent"] === "required",
  };
}
