// What the page shows, and how a link holds it.
import { ATTACKS, largestBudget } from "./attacks.js";

export const START = {
  digit: 12,
  left: "thesis-S",
  right: "fgsm-trained",
  attack: "step",
  budget: 1,
  q: 0.5,
  clip: true,
  smooth: false,
  alpha: 0.95,
  seed: 1,
  tour: 0, // the step of the guided tour, 0 outside it
}; // q = 1 / p, from 1 (p = 1) to 0 (p = infinity)

export const p = (state) => (state.q === 0 ? Infinity : 1 / state.q);
export const most = (state) => largestBudget(state.attack, p(state));

/** Change a state; the budget keeps its share of the slider where the norm changes, and starts anew with an attack. */
export function changed(state, change) {
  const next = { ...state, ...change };
  if ("attack" in change && !("budget" in change) && change.attack !== state.attack)
    next.budget = (ATTACKS[next.attack].start ?? 0) * (next.attack === "step" ? most(next) / 10 : 1);
  else if ("q" in change && !("budget" in change) && next.attack === "step")
    next.budget = (state.budget * most(next)) / most(state);
  return next;
}

const NUMBERS = { budget: [0, 300], q: [0, 1], alpha: [0, 0.999], seed: [0, 4294967295], tour: [0, 6] };

/** The text after # of a link. `image` are the 784 pixels of a drawing, where that is the digit. */
export function toHash(state, image) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(state))
    if (value !== START[name] || name === "budget")
      found.set(name, typeof value === "number" ? String(+value.toPrecision(6)) : String(value));
  if (state.digit === "drawn")
    found.set("pixels", btoa(String.fromCharCode(...image.map((v) => Math.round(255 * v)))));
  return found.toString();
}

/** The state of such a text, and the drawing if it has one. What is not understood is left as at the start. */
export function fromHash(hash, { digits, networks }) {
  const given = new URLSearchParams(hash.replace(/^#/, "")),
    state = { ...START };
  let image = null;
  for (const side of ["left", "right"]) if (networks.includes(given.get(side))) state[side] = given.get(side);
  if (Object.hasOwn(ATTACKS, given.get("attack") ?? "")) state.attack = given.get("attack");
  for (const [name, [low, high]] of Object.entries(NUMBERS)) {
    const value = parseFloat(given.get(name));
    if (value >= low && value <= high) state[name] = value;
    else given.delete(name);
  }
  state.tour = Math.floor(state.tour);
  for (const name of ["clip", "smooth"]) if (given.has(name)) state[name] = given.get(name) === "true";
  const digit = Number(given.get("digit") ?? START.digit);
  if (Number.isInteger(digit) && digit >= 0 && digit < digits) state.digit = digit;
  try {
    const bytes = atob(given.get("pixels") ?? "");
    if (given.get("digit") === "drawn" && bytes.length === 784) {
      image = Float64Array.from(bytes, (letter) => letter.charCodeAt(0) / 255);
      state.digit = "drawn";
    }
  } catch {
    /* no base64: as if there were no drawing */
  }
  const start = state.attack === START.attack ? START.budget : (ATTACKS[state.attack].start ?? 0);
  state.budget = given.has("budget") ? Math.min(state.budget, most(state)) : start;
  return { state, image };
}
