// The attacks of the page. Each takes a network, an image x (784 pixels in [0, 1]), the label y and its settings, and
// returns the attacked image. They follow advutils/attacks line by line; tests compare the two.
import { argmax, ascent } from "./loss.js";
import { norm, project, steepest } from "./norms.js";
import { normal } from "./random.js";

export const STEPS = 40;
const OVERSHOOT = 0.02,
  NUDGE = 1e-4,
  LONGEST = 50; // of DeepFool, as advutils.attacks.deepfool has them

const clipped = (x) => x.map((v) => Math.min(Math.max(v, 0), 1));
const plus = (x, r, share = 1) => x.map((v, j) => v + share * r[j]);
const kept = (x, clip) => (clip ? clipped(x) : x);

export const noise = (network, x, y, { budget, seed, clip }) => kept(plus(x, normal(seed, x.length), budget), clip);

/** One step to the border of the budget in the p-norm: Lyu et al. 2015, Eq. (3); FGSM at p = infinity. */
export const oneStep = (network, x, y, { budget, p, clip }) =>
  kept(plus(x, steepest(ascent(network, x, y), p), budget), clip);

/** Projected gradient ascent without a random start: 40 steps of 2.5 budget / 40, p = 2 or infinity. */
export function pgd(network, x, y, { budget, p }) {
  let image = x;
  for (let step = 0; step < STEPS; step++) {
    const direction = steepest(ascent(network, image, y), p);
    const moved = image.map((v, j) => v - x[j] + ((2.5 * budget) / STEPS) * direction[j]);
    image = clipped(plus(x, project(moved, budget, p)));
  }
  return image;
}

/** Moosavi-Dezfooli et al. 2016, Algorithm 2: the nearest boundary of the linearised network, again and again. */
export function deepfool(network, x) {
  let image = x,
    moved = x.map(() => 0);
  const own = argmax(network.logits(x));
  for (let step = 0; step < LONGEST; step++) {
    const z = network.logits(image);
    if (Math.max(...z) > z[own]) return image;
    let nearest = Infinity,
      towards = x.map(() => 0);
    for (let k = 0; k < z.length; k++) {
      if (k === own) continue;
      const w = network.gradient(z.map((_, c) => (c === k) - (c === own)));
      const distance = Math.abs(z[k] - z[own]) / norm(w, 2); // 0 / 0 is NaN and never nearest
      if (distance < nearest) [nearest, towards] = [distance, w];
    }
    if (nearest < Infinity) moved = plus(moved, steepest(towards, 2), nearest + NUDGE);
    image = clipped(plus(x, moved, 1 + OVERSHOOT));
  }
  const z = network.logits(image);
  return Math.max(...z) > z[own] ? image : x;
}

/** The perturbation that was made for all networks together, at the length that is asked for. */
export const universal = (network, x, y, { budget, common, clip }) => kept(plus(x, common, budget), clip);

// what the page offers: the norm of the budget (null: none), its largest value and its value at the start
export const ATTACKS = {
  step: { title: "Eq. (3): one step in the p-norm", run: oneStep, norm: "p", most: 10, start: 4, clips: true },
  fgsm: {
    title: "FGSM: one step of the sign",
    run: (n, x, y, s) => oneStep(n, x, y, { ...s, p: Infinity }),
    norm: Infinity,
    most: 0.5,
    start: 0.1,
    clips: true,
  },
  pgd2: {
    title: "PGD, l2, 40 steps",
    run: (n, x, y, s) => pgd(n, x, y, { ...s, p: 2 }),
    norm: 2,
    most: 10,
    start: 2,
  },
  pgdinf: {
    title: "PGD, l-infinity, 40 steps",
    run: (n, x, y, s) => pgd(n, x, y, { ...s, p: Infinity }),
    norm: Infinity,
    most: 0.5,
    start: 0.1,
  },
  deepfool: { title: "DeepFool", run: deepfool, norm: null, most: 0 },
  least: { title: "What would fool it least: DeepFool or PGD", norm: null, most: 0 }, // its run is in least.js
  universal: {
    title: "One perturbation for every digit",
    run: universal,
    norm: Infinity,
    most: 0.5,
    start: 0.3,
    clips: true,
  },
  noise: { title: "Gaussian noise", run: noise, norm: "deviation", most: 1, start: 0.3, clips: true },
};

/** The largest budget: in the p-norm, what spreads over all pixels as 10 does in l2. */
export function largestBudget(attack, p) {
  const { norm: kind, most } = ATTACKS[attack];
  return kind === "p" ? most * 784 ** (1 / p - 1 / 2) : most;
}
