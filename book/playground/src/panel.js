// What the page shows of one network: its answers before and after, pictures, distances, the loss on the way.
import { ATTACKS } from "./attacks.js";
import { norm } from "./norms.js";
import { levels, line, paint, told } from "./pictures.js";
import { aDigit } from "./speech.js";

const PICTURES = [
  ["image", "attacked image", (x) => x.image],
  ["r", "perturbation", (x) => levels(x.r, 1)],
  ["r10", "ten times it", (x) => levels(x.r, 10)],
];

export const html = (side) => `
  <section class="pg-panel" data-side="${side}" aria-label="${side === "left" ? "First" : "Second"} network">
    <label>${side === "left" ? "First" : "Second"} network <select data-state="${side}"></select></label>
    <p class="pg-verdict"></p>
    <p class="pg-note"></p>
    <div class="pg-pictures">${PICTURES.map(
      ([name, title]) => `
      <figure><canvas data-picture="${name}" role="img" aria-label="${title}"></canvas>
        <figcaption>${title}</figcaption></figure>`,
    ).join("")}
    </div>
    <table class="pg-answers"><caption>Answers <span></span></caption>
      <thead><tr><th scope="col">digit</th><th scope="col">before</th><th scope="col">after</th></tr></thead>
      <tbody></tbody></table>
    <dl class="pg-distances">${["l1", "l2", "linf"]
      .map(
        (name) => `
      <div><dt>${{ l1: "l1", l2: "l2", linf: "l∞" }[name]}</dt><dd data-distance="${name}"></dd></div>`,
      )
      .join("")}
    </dl>
    <figure class="pg-path">
      <svg viewBox="-2 -4 204 68" preserveAspectRatio="none" role="img" aria-label="loss along the way">
        <polyline></polyline></svg>
      <figcaption></figcaption></figure>
    <p class="pg-facts"></p>
  </section>`;

const KINDS = {
  softmax: "(probabilities)",
  sigmoid: "(ten sigmoids, which need not add up to 1)",
  none: "(the network's outputs, best near 1)",
};

/** A network that reads a digit as another before any attack cannot be fooled by one. */
const misread = ({ before }, label) => label !== null && before.found !== label;

function verdict(found, label) {
  const [before, after] = [found.before.found, found.after.found];
  if (misread(found, label))
    return `Already read as <b>${before}</b> before any attack (it is ${aDigit(label)}), after it as <b>${after}</b>`;
  return before === after
    ? `Reads <b>${before}</b> before and after`
    : `<b>${before}</b> turns into <b class="pg-turned">${after}</b>`;
}

/** The same in few words, for the line that is read aloud. */
export function outcome(found, label) {
  const [before, after] = [found.before.found, found.after.found];
  if (misread(found, label)) return `already read as ${before}${after === before ? "" : `, now as ${after}`}`;
  if (before === after) return `still ${after}`;
  return `${before} → ${after}${found.least ? ` at l2 ${told(found.distances.l2)}` : ""}`;
}

const cost = ({ forward, back }) =>
  forward ? `${forward} ${forward === 1 ? "pass" : "passes"} forward and ${back} back` : "no pass through the network";

/** What fools a network least, by whom it was found, and where DeepFool itself ends. */
function leastNote({ misread: as, by, length, own, missed, passes }) {
  if (as !== null) return `It reads ${aDigit(as)} already, so nothing was looked for.`;
  const looking = passes ? ` Looking took ${cost(passes)}.` : "";
  if (by === null) return `Neither DeepFool nor PGD within l2 10 fools it.${looking}`;
  const how = by === "PGD" ? "by PGD" : "on DeepFool's way, where the answer first changes";
  const ends = own === null ? "DeepFool itself fools nothing." : `DeepFool itself goes to ${told(own)}.`;
  const far = missed ? " DeepFool did not come near the border here." : "";
  return `The least found is l2 ${told(length)}, ${how}. ${ends}${far}${looking}`;
}

/** Why the way is shorter than the budget, where only clipping can make it so. */
function clippedNote(r, { attack, budget, p, clip, smooth }) {
  const { norm: kind, clips } = ATTACKS[attack],
    power = kind === "p" ? p : kind;
  if (!clips || !clip || smooth || typeof power !== "number") return "";
  const way = norm(r, power);
  return way > 0 && way < 0.995 * budget
    ? `Budget ${told(budget)}, way ${told(way)}: pixels end at 0 and 1.`
    : "";
}

/** Show what one network gave. `entry` is its row in the page's contents, or null for a reader's own. */
export function show(panel, found, { asked, answer, label, entry, forward, root, fooled }) {
  const { before, after } = found,
    find = (selector) => panel.querySelector(selector);
  find(".pg-verdict").innerHTML = verdict(found, label);
  find(".pg-note").textContent = found.least ? leastNote(found.least) : clippedNote(found.r, asked);
  for (const [name, title, values] of PICTURES) {
    const canvas = find(`[data-picture="${name}"]`);
    paint(canvas, values(found));
    canvas.setAttribute(
      "aria-label",
      name === "image" ? `${title}, read as ${after.found}` : `${title}, l2 length ${told(found.distances.l2)}`,
    );
  }
  find(".pg-answers caption span").textContent = KINDS[answer];
  find(".pg-answers tbody").innerHTML = before.answers.reduce(
    (rows, v, k) =>
      rows +
      `
    <tr${k !== after.found ? "" : ` class="pg-top${k === before.found || misread(found, label) ? "" : " pg-other"}"`}>
      <th scope="row">${k}</th>${cell(v)}${cell(after.answers[k])}</tr>`,
    "",
  );
  for (const name of ["l1", "l2", "linf"])
    find(`[data-distance="${name}"]`).textContent = told(found.distances[name]);
  const top = Math.max(...found.path, 1e-9);
  find(".pg-path polyline").setAttribute("points", line(found.path, 200, 60, top));
  const [first, last] = [found.path[0], found.path.at(-1)].map(told);
  const way = `Loss along the straight way to the attacked image: from ${first} to ${last}`;
  find(".pg-path figcaption").textContent = way;
  find(".pg-path svg").setAttribute("aria-label", way);
  find(".pg-facts").innerHTML =
    `One pass through the network takes ${told(1000 * forward)} ms here. This attack asked for ${cost(
      found.passes,
    )}.${
      entry
        ? ` Test error ${told(100 * entry.error_int8)} % with the weights of this page (8 bits), ${told(
            100 * entry.error,
          )} % before rounding: <a href="${root}${entry.record}">record</a>.`
        : ""
    }${
      fooled
        ? ` At ${fooled.eps} this perturbation changes its answer to ${told(100 * fooled.share)} % of the test images.`
        : ""
    }`;
}

const cell = (v) =>
  `<td><span class="pg-bar" style="--share:${Math.min(Math.max(v, 0), 1).toFixed(3)}"></span><span>${
    v > 0 && v < 0.0005 ? "<.001" : v.toFixed(3)
  }</span></td>`;
