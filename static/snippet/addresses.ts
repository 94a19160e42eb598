// Where links, images and buttons may lead.

/** What is allowed, one after the other; scripts/build.mjs takes it from productfruits/adoption/markup.json. */
declare const MARKUP: { schemes: string };

/** Backslashes and spaces inside an address lead elsewhere than they look. */
const ADDRESS = new RegExp(`^((${MARKUP.schemes}):|/(?!/)|[#?.])[^\\s\\\\]*$`, "i");

export function isSafe(address: string): boolean {
  return ADDRESS.test(address);
}
