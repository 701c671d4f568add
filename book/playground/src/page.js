// The page: its state, what the reader does to it, and what the two networks say.
import { ATTACKS } from "./attacks.js";
import { ball } from "./ball.js";
import { pad } from "./draw.js";
import { grid } from "./grid.js";
import { documentOf } from "./network.js";
import { outcome, show } from "./panel.js";
import { paint, told } from "./pictures.js";
import { shown, spoken, written } from "./speech.js";
import { START, changed, fromHash, most, p, toHash } from "./state.js";
import { html } from "./template.js";
import { steady } from "./touch.js";
import { compare } from "./tour_count.js";
import { wireTour } from "./tour_panel.js";

const MORPH = 10,
  FRAMES = 40,
  OWN = "own",
  REPOSITORY = "https://github.com/adversarial-examples-book/adversarial-examples-book";

/** Fill `root`. `contents` is what contents.js says, `folder` where the networks' files are, `engine` the worker. */
export function page(root, contents, folder, engine) {
  root.innerHTML = html();
  root.classList.add("pg");
  const book = root.dataset.root ?? "../",
    find = (selector) => root.querySelector(selector);
  const rows = new Map(contents.networks.map((row) => [row.name, row]));
  const digits = contents.digits.map((digit) => ({ ...digit, image: pixelsOf(digit.pixels) }));
  const common = Float64Array.from(bytesOf(contents.common.steps), (byte) => ((byte << 24) >> 24) / 127);
  const forward = new Map(); // seconds of a pass, by network
  let { state, image: drawing } = fromHash(location.hash, { digits: digits.length, networks: [...rows.keys()] });
  drawing ??= new Float64Array(784);
  let own = null,
    chosen = state.digit === "drawn" ? START.digit : state.digit, // what clearing a drawing goes back to
    running = false,
    again = false,
    morphing = 0,
    address = 0;

  const image = () => (state.digit === "drawn" ? drawing : digits[state.digit].image);
  const label = () => (state.digit === "drawn" ? null : digits[state.digit].label);
  const settings = () => ({
    attack: state.attack,
    budget: state.budget,
    p: p(state),
    seed: state.seed,
    clip: state.clip,
    smooth: state.smooth,
    alpha: state.alpha,
    common,
  });

  function complain(error) {
    find(".pg-message").hidden = !error;
    find(".pg-message").textContent = error ?? "";
  }

  async function answer(side) {
    const name = state[side],
      panel = find(`[data-side="${side}"]`),
      request = { id: name, image: image(), label: label() },
      asked = settings();
    panel.setAttribute("aria-busy", "true");
    const { answer: kind } = name === OWN ? own : await engine.load(name, folder);
    if (!forward.has(name)) forward.set(name, await engine.ask("forward", request));
    const found = await engine.ask("run", { ...request, settings: asked });
    if (asked.attack === "deepfool") found.least = await engine.ask("least", request);
    show(panel, found, {
      asked,
      answer: kind,
      label: request.label,
      entry: rows.get(name) ?? null,
      forward: forward.get(name),
      root: book,
      fooled:
        asked.attack === "universal" && rows.has(name)
          ? { share: rows.get(name).fooled, eps: contents.common.eps }
          : null,
    });
    panel.removeAttribute("aria-busy");
    return outcome(found, request.label);
  }

  /** Ask both networks; while they are busy, what changes is asked once more afterwards. */
  async function refresh() {
    controls();
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      do {
        again = false;
        const said = await Promise.all(["left", "right"].map(answer));
        for (const place of root.querySelectorAll(".pg-summary"))
          place.textContent = `First network: ${said[0]}. Second network: ${said[1]}.`;
        complain(null);
      } while (again);
    } catch (error) {
      complain(error.message);
    } finally {
      running = false;
    }
    root.dispatchEvent(new CustomEvent("advbook-shown"));
  }

  function set(change) {
    state = changed(state, change);
    clearTimeout(address);
    address = setTimeout(toAddress, 200); // browsers refuse a hundred new addresses in half a minute
    return refresh();
  }
  const toAddress = () => history.replaceState(null, "", `#${toHash(state, drawing)}`);

  function controls() {
    const attack = ATTACKS[state.attack],
      said = (name) => find(`[data-for="${name}"] .pg-value`),
      aloud = (name, text) => find(`[data-state="${name}"]`).setAttribute("aria-valuetext", text);
    for (const name of ["left", "right", "attack"]) find(`[data-state="${name}"]`).value = state[name];
    for (const name of ["clip", "smooth"]) find(`[data-state="${name}"]`).checked = state[name];
    for (const name of ["q", "alpha"]) find(`[data-state="${name}"]`).value = state[name];
    find('[data-state="budget"]').value = attack.norm === null ? 0 : (1000 * state.budget) / most(state);
    aloud("budget", `budget ${told(state.budget)}, ${spoken(attack.norm, p(state))}`);
    aloud("q", `norm ${shown(p(state), "infinity")}`);
    aloud("alpha", `smoothness ${state.alpha}`);
    said("budget").textContent = `${told(state.budget)} (${written(attack.norm, p(state))})`;
    said("q").textContent = `p = ${shown(p(state))}`;
    said("alpha").textContent = `α = ${state.alpha}`;
    find('[data-for="budget"]').hidden = attack.norm === null;
    find('[data-for="q"]').hidden = state.attack !== "step";
    find('[data-for="clip"]').hidden = !attack.clips;
    find('[data-for="alpha"]').hidden = !state.smooth;
    find('[data-do="noise"]').hidden = state.attack !== "noise";
    buttons.show(state.digit);
    paint(find(".pg-seen"), image());
    const here = `${new URL("index.html", folder).href}#${toHash(state, drawing)}`;
    find('[data-do="snippet"]').value =
      `<iframe src="${here}" width="100%" height="900" title="Playground of adversarial examples"></iframe>`;
  }

  /** Eq. (3) with p = 2 from length 0 to 10, as far as Figure 4 of Lyu et al. 2015; at once for reduced motion. */
  async function morph() {
    const mine = ++morphing,
      still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (let k = still ? FRAMES : 0; k <= FRAMES && mine === morphing; k++) {
      await set({ attack: "step", q: 0.5, clip: true, smooth: false, budget: (MORPH * k) / FRAMES });
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** Bring a control into view and to the keyboard. */
  function reach(name) {
    const control = find(`[data-state="${name}"]`),
      still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    control.focus({ preventScroll: true });
    control.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
  }

  async function bring(file) {
    try {
      const document = documentOf(await file.text());
      await engine.bring(OWN, document);
      own = { answer: document.answer };
      forward.delete(OWN);
      for (const select of root.querySelectorAll("[data-side] select")) {
        select.querySelector(`[value="${OWN}"]`)?.remove();
        select.add(new Option(`Yours: ${document.title}`, OWN));
      }
      await set({ right: OWN });
    } catch (error) {
      complain(`${file.name}: ${error.message}`);
    }
  }

  const actions = {
    morph,
    least: () => set({ attack: "least", smooth: false }),
    noise: () => set({ seed: (state.seed + 1) % 2 ** 32 }),
    draw: (button) => draw(button.getAttribute("aria-pressed") !== "true"),
    clear: () => {
      drawn.clear();
      if (state.digit === "drawn") set({ digit: chosen });
    },
    async link(button) {
      toAddress();
      try {
        await navigator.clipboard.writeText(location.href);
        button.textContent = "Copied";
      } catch {
        button.textContent = "It is in the address bar";
      }
      setTimeout(() => {
        button.textContent = "Copy a link to this";
      }, 2000);
    },
  };

  for (const select of root.querySelectorAll("[data-side] select"))
    for (const row of contents.networks) select.add(new Option(row.title, row.name));
  const buttons = grid(find(".pg-digits"), digits, (digit) => {
    morphing++;
    chosen = digit;
    drawn.clear();
    draw(false);
    set({ digit });
  });
  const drawn = pad(find(".pg-pad"), (pixels) => {
    drawing = pixels;
    set({ digit: "drawn" });
  });
  function draw(on) {
    drawn.allow(on);
    find('[data-do="draw"]').setAttribute("aria-pressed", String(on));
  }
  const plane = ball(find(".pg-ball svg"), find(".pg-says"));

  root.addEventListener("input", ({ target }) => {
    const name = target.dataset.state;
    if (!name) return;
    morphing++;
    if (name === "ball") {
      const norm = Number(target.value) === 0 ? Infinity : 1 / target.value;
      plane.show(norm);
      find(".pg-ball .pg-value").textContent = `p = ${shown(norm)}`;
      target.setAttribute("aria-valuetext", `norm ${shown(norm, "infinity")}`);
      return;
    }
    if (name === "budget") set({ budget: (target.value / 1000) * most(state) });
    else if (target.type === "range") set({ [name]: Number(target.value) });
    else set({ [name]: target.type === "checkbox" ? target.checked : target.value });
  });
  root.addEventListener("click", ({ target }) => {
    if (target.closest("a")) toAddress(); // so that Back leads to this very state
    if (target.dataset.do !== "morph") morphing++;
    actions[target.dataset.do]?.(target);
  });
  find('[data-do="own"]').addEventListener("change", ({ target }) => {
    if (target.files[0]) bring(target.files[0]);
    target.value = "";
  });
  find('[data-do="snippet"]').addEventListener("focus", ({ target }) => target.select());
  addEventListener("hashchange", () => {
    const found = fromHash(location.hash, { digits: digits.length, networks: [...rows.keys()] });
    state = found.state;
    tour.show(state.tour);
    if (state.digit !== "drawn") chosen = state.digit;
    drawing = found.image ?? drawing;
    refresh();
  });
  find(".pg-ball .pg-value").textContent = "p = 2";
  steady(root);
  const tour = wireTour(find(".pg-tour"), {
    set,
    book,
    reach,
    compare: (names, tell) => compare(engine, folder, digits, names, tell),
  });
  tour.show(state.tour);
  find(".pg-badge").innerHTML =
    `Checked: a test runs every network and attack here on these twenty digits and compares logits,
    gradients, perturbations and answers with Python
    (<a href="${REPOSITORY}/blob/main/tests/playground/test_playground_browser.py">the
    test</a>). Digits: MNIST (LeCun, Cortes, Burges). Records: ${contents.networks
      .map((row) => `<a href="${book}${row.record}">${row.title}</a>`)
      .join(", ")}, <a href="${book}${contents.common.record}">universal perturbation</a>,
    <a href="${book}${contents.chosen}">choice of digits</a>.`;
  refresh();
}

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const pixelsOf = (base64) => Float64Array.from(bytesOf(base64), (byte) => byte / 255);
