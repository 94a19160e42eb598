// Builds static/dist: node scripts/build.mjs [folder]
//
//   admin.css        static/admin/admin.css through Tailwind, with the classes that the templates use
//   admin.js         every static/admin/*.ts but theme.ts; each module starts itself and looks for the elements it serves
//   functions.js     static/functions: what stands around a Segment function inside its isolate; no page loads it
//   theme.js         static/admin/theme.ts alone, since it must run before the first paint
//   demo.js, .css    static/demo: the imaginary app in which content can be tried
//   snippet.js       static/snippet/main.ts, for the pages of customers; the build fails when it outgrows its size
//   snippet-view.js  static/snippet/view/main.ts, all that draws, which snippet.js fetches when something is to be shown
//   snippet.d.ts     its types, for the code of those pages
//   htmx.js          htmx as published
//   inter.woff2      the typeface of the pages, Latin; other scripts fall back to the system's
//   favicon.svg      our mark
//   icons.json       name -> inside of the <svg>, of the Lucide icons that static/admin/icons.txt names
//   THIRD-PARTY.txt  names, versions and licences of the packages whose code is in these files, from package-lock.json
//
// The same sources give the same bytes on every machine: static/dist is committed, and the tests build it again and compare.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { minify } from "terser";

/** Compressed: every page of every customer loads the first, and every page that shows something the second. */
const MOST_BYTES = { "snippet.js": 12 * 1024, "snippet-view.js": 15 * 1024 };

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = resolve(process.argv[2] ?? join(root, "static", "dist"));
const source = join(root, "static", "admin");

// Built beside the target and moved file by file, so that a running server never finds a file missing or half written.
mkdirSync(target, { recursive: true });
const built = mkdtempSync(`${target}.new-`);

try {
  copyFileSync(join(root, "node_modules", "@fontsource-variable", "inter", "files", "inter-latin-wght-normal.woff2"), join(built, "inter.woff2"));
  buildCss(join(built, "admin.css"));
  await buildScripts();
  await buildSnippet();
  copyFileSync(join(root, "node_modules", "htmx.org", "dist", "htmx.min.js"), join(built, "htmx.js"));
  copyFileSync(join(source, "favicon.svg"), join(built, "favicon.svg"));
  writeFileSync(join(built, "icons.json"), icons());
  writeFileSync(join(built, "THIRD-PARTY.txt"), thirdParty());

  const fresh = readdirSync(built);
  for (const name of readdirSync(target)) if (!fresh.includes(name)) rmSync(join(target, name), { recursive: true });
  for (const name of fresh) renameSync(join(built, name), join(target, name));
} finally {
  rmSync(built, { recursive: true, force: true });
}

function buildCss(file) {
  const cli = join(root, "node_modules", "@tailwindcss", "cli", "dist", "index.mjs");
  try {
    execFileSync(process.execPath, [cli, "--minify", "--input", join(source, "admin.css"), "--output", file], {
      cwd: root,
      stdio: "pipe",
    });
  } catch (error) {
    throw new Error(`Tailwind could not build static/admin/admin.css:\n${error.stderr}`);
  }
  const font = fingerprint(readFileSync(join(dirname(file), "inter.woff2")));
  writeFileSync(file, readFileSync(file, "utf8").replace("inter.woff2", `inter.woff2?v=${font}`));
}

async function buildScripts() {
  const modules = readdirSync(source).filter((name) => name.endsWith(".ts") && name !== "theme.ts").sort();
  const options = {
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  };
  const admin = modules.map((name) => `import "./${name.replace(/\.ts$/, "")}";\n`).join("");
  await build({ ...options, stdin: { contents: admin, resolveDir: source, sourcefile: "admin.ts" }, outfile: join(built, "admin.js") });
  await build({ ...options, entryPoints: [join(source, "theme.ts")], outfile: join(built, "theme.js") });
  const demo = join(root, "static", "demo");
  await build({ ...options, entryPoints: [join(demo, "demo.ts"), join(demo, "demo.css")], outdir: built });
  await build({ ...options, entryPoints: [join(root, "static", "functions", "main.ts")], outfile: join(built, "functions.js") });
}

async function buildSnippet() {
  const folder = join(root, "static", "snippet");
  const { tags, attributes, schemes } = markup();
  const define = { "MARKUP.schemes": JSON.stringify(schemes) };
  const view = await bundled(join(folder, "view", "main.ts"), "esm", {
    ...define,
    "MARKUP.tags": JSON.stringify(tags),
    "MARKUP.attributes": JSON.stringify(attributes),
  });
  // Each file knows which other one it was made for: pages keep the first for a while, and the service has one second.
  const made = fingerprint(view);
  const drawing = await writeSnippet("snippet-view.js", `const BUILD="${made}";${view}`, { module: true });
  const version = readFileSync(join(root, "pyproject.toml"), "utf8").match(/^version = "(.+)"$/m);
  const core = await bundled(join(folder, "main.ts"), "iife", {
    ...define,
    VERSION: JSON.stringify(version?.[1] ?? ""),
    VOCABULARY: JSON.stringify(vocabulary()),
    BUILD: JSON.stringify(made),
    VIEW_FILE: JSON.stringify(`static/dist/snippet-view.js?v=${fingerprint(drawing)}`),
  });
  await writeSnippet("snippet.js", core, { toplevel: true });
  copyFileSync(join(folder, "snippet.d.ts"), join(built, "snippet.d.ts"));
}

async function bundled(entry, format, define) {
  const style = {
    name: "style",
    setup: (building) =>
      building.onLoad({ filter: /\.css$/ }, async ({ path }) => {
        const { code } = await transform(readFileSync(path, "utf8"), { loader: "css", minify: true, target: "es2020" });
        return { contents: code.trim(), loader: "text" };
      }),
  };
  const result = await build({
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format,
    target: "es2020",
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
    write: false,
    plugins: [style],
    define,
    entryPoints: [entry],
  });
  return result.outputFiles[0].text;
}

/** Compresses once more, for a twentieth less, and writes what pages may load. */
async function writeSnippet(name, script, scope) {
  // What is unsafe would be so for code that replaces RegExp or Error, or that depends on how an object becomes text.
  const compress = { passes: 5, booleans: false, unsafe: true, unsafe_arrows: true, pure_getters: true };
  const { code } = await minify(script, { ecma: 2020, ...scope, compress });
  const content = `${code}\n`;
  const [size, most] = [gzipSync(code, { level: 9 }).length, MOST_BYTES[name]];
  console.log(`${name}: ${size.toLocaleString("en")} bytes gzip of ${most.toLocaleString("en")}`);
  if (size > most) throw new Error(`${name} has ${size} bytes (gzip) and may have ${most}. Make it smaller.`);
  writeFileSync(join(built, name), content);
  return content;
}

/** As the server names a file by its content, so that browsers need not ask for it again. */
function fingerprint(content) {
  return createHash("sha256").update(content).digest("hex").slice(0, 12);
}

function adoption(name) {
  return JSON.parse(readFileSync(join(root, "productfruits", "adoption", `${name}.json`), "utf8"));
}

/** What rich text may hold: tags, the attributes of all of them, and the schemes of addresses as a pattern. */
function markup() {
  const { tags, schemes } = adoption("markup");
  const attributes = new Set(Object.values(tags).flat());
  return { tags: Object.keys(tags).join(" "), attributes: [...attributes].join(" "), schemes: schemes.join("|") };
}

/** Of the vocabulary what a page needs: an event's properties. Its name is the raw one in Title Case. */
function vocabulary() {
  const { events } = adoption("vocabulary");
  for (const { raw, name } of events) {
    if (name.toLowerCase().replaceAll(" ", "_") !== raw) throw new Error(`The snippet cannot derive "${name}" from ${raw}.`);
  }
  return Object.fromEntries(events.map(({ raw, properties }) => [raw, properties.join(" ")]));
}

function icons() {
  const names = readFileSync(join(source, "icons.txt"), "utf8").split("\n").filter(Boolean);
  const folder = join(root, "node_modules", "lucide-static", "icons");
  const inside = (name) => {
    const [, markup] = readFileSync(join(folder, `${name}.svg`), "utf8").match(/<svg[^>]*>(.*)<\/svg>/s);
    return markup.replace(/\s*\n\s*/g, "");
  };
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, inside(name)])), null, 1) + "\n";
}

function thirdParty() {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  // Everything that is no tool ("dev" in the lock) has its code in static/dist.
  const shipped = Object.entries(packages).filter(([path, entry]) => path !== "" && !entry.dev && !entry.devOptional);
  const parts = shipped.map(([path, entry]) => {
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const folder = join(root, path);
    const licence = readdirSync(folder).find((file) => /^licen[cs]e(\.(md|txt))?$/i.test(file));
    if (!licence) throw new Error(`${name} has no licence file, so its terms cannot be shipped with static/dist`);
    const text = readFileSync(join(folder, licence), "utf8").replaceAll("\r\n", "\n").trim();
    return `${name} ${entry.version} (${entry.license})\n\n${text}\n`;
  });
  const rule = `\n${"-".repeat(80)}\n\n`;
  return ["The files in this folder contain code of the packages below.\n", ...parts.sort()].join(rule);
}
