// Runs the vectors of url_rules.json through the snippet's own rules and prints those that come out otherwise, as JSON.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(dirname(dirname(here)), "static", "snippet");
const contents = 'export { urlMatches } from "./urls"; export { speaks } from "./rules";';
const { outputFiles } = await build({
  stdin: { contents, resolveDir: folder },
  bundle: true,
  write: false,
  format: "esm",
  loader: { ".css": "text" },
});
const { urlMatches, speaks } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
const { urls, languages } = JSON.parse(readFileSync(join(here, "url_rules.json"), "utf8"));
const wrong = [
  ...urls.filter(({ op, value, url, matches }) => urlMatches(op, value, url) !== matches),
  ...languages.filter(({ value, language, matches }) => speaks(language, value) !== matches),
];
console.log(JSON.stringify(wrong));
