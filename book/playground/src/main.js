// The entry: fills every place that the document has for a playground. contents.js has run before.
import { Engine } from "./engine.js";
import { page } from "./page.js";

const folder = new URL(".", document.currentScript.src).href;
for (const root of document.querySelectorAll(".advbook-playground")) {
  const engine = new Engine();
  root.advbookEngine = engine; // for the tests
  page(root, globalThis.advbookContents, folder, engine);
}
