// Bundle the playground: the worker first, which then is a text inside the page's script. NODE_PATH leads to esbuild.
const { buildSync } = require("esbuild");
const path = require("node:path");

const options = {
  bundle: true,
  write: false,
  minify: true,
  charset: "utf8",
  target: "es2022",
  format: "iife",
  legalComments: "none",
};
const text = (entry, extra) =>
  buildSync({ ...options, ...extra, entryPoints: [path.join(__dirname, "src", entry)] }).outputFiles[0].text;
const bundle = text("main.js", { define: { WORKER_SOURCE: JSON.stringify(text("worker.js")) } });
require("node:fs").writeFileSync(process.argv[2], bundle);
