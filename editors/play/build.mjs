// Bundles the page into the folder that is given, with the licenses of what it holds.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const out = process.argv[2];
await mkdir(out, { recursive: true });
const { metafile } = await build({
  entryPoints: ["src/play.js", "src/play.css", "src/core.js"],
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome120", "firefox121", "safari17.4"],
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  outdir: out,
});
for (const name of ["index.html", "icon.svg"]) await copyFile(join("src", name), join(out, name));

const packages = new Set();
for (const path of Object.keys(metafile.inputs)) {
  const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
  if (found) packages.add(found[1]);
}
const texts = ["play.js holds these packages, each under its license.\n"];
for (const name of [...packages].sort()) {
  const folder = join("node_modules", name);
  const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
  const text = file ? await readFile(join(folder, file), "utf8") : `${license}\n`;
  texts.push(`\n--- ${name} ${version}\n\n${text.replaceAll("\r\n", "\n").trim()}\n`);
}
await writeFile(join(out, "licenses.txt"), texts.join(""));
