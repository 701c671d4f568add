// One attack on one image by one network, and everything that the page shows of it.
import { ATTACKS } from "./attacks.js";
import { least } from "./least.js";
import { answers, argmax, loss } from "./loss.js";
import { norm } from "./norms.js";
import { smoother } from "./smoother.js";

const POINTS = 21; // of the loss along the path

/** The perturbation made as smooth as the image, at the same l2 length. */
function smoothed(x, image, { alpha, clip }, clips) {
  const r = x.map((v, j) => image[j] - v),
    soft = smoother(x, alpha)(r),
    size = norm(soft, 2);
  const length = size > 0 ? norm(r, 2) / size : 0;
  const moved = x.map((v, j) => v + length * soft[j]);
  return clips && !clip ? moved : moved.map((v) => Math.min(Math.max(v, 0), 1));
}

/** What the network says of an image: its answers by class, the largest, and the loss for label y. */
export function look(network, x, y) {
  const z = network.logits(x);
  return { logits: z, answers: answers(network, z), found: argmax(z), loss: loss(z, y) };
}

/** `settings`: attack, budget, p, seed, clip, smooth, alpha, common (the universal perturbation, largest value 1). */
export function run(network, x, label, settings) {
  const attack = ATTACKS[settings.attack];
  const own = argmax(network.logits(x)),
    y = label ?? own;
  const { found, passes, seconds } = counted(network, () =>
    settings.attack === "least" ? least(network, x, label) : attack.run(network, x, y, settings),
  );
  let image = settings.attack === "least" ? (found.image ?? x) : found;
  if (settings.smooth) image = smoothed(x, image, settings, attack.clips);
  const r = x.map((v, j) => image[j] - v),
    path = [];
  for (let k = 0; k < POINTS; k++) {
    const share = k / (POINTS - 1);
    path.push(
      look(
        network,
        x.map((v, j) => v + share * r[j]),
        y,
      ).loss,
    );
  }
  return {
    before: look(network, x, y),
    after: look(network, image, y),
    image,
    r,
    y,
    path,
    passes,
    seconds,
    least: settings.attack === "least" ? found : null,
    distances: { l1: norm(r, 1), l2: norm(r, 2), linf: norm(r, Infinity) },
  };
}

/** What a task gives, the passes through the network that it asked for, and its seconds. */
export function counted(network, task) {
  const { forward, back } = network.passes,
    started = performance.now();
  const found = task();
  return {
    found,
    passes: { forward: network.passes.forward - forward, back: network.passes.back - back },
    seconds: (performance.now() - started) / 1000,
  };
}

/** Mean seconds of a task that is run for `least` milliseconds, since a browser's clock ticks in tenths of one. */
function secondsOf(task, least) {
  const started = performance.now();
  let rounds = 0,
    passed = 0;
  for (; passed < least; rounds++, passed = performance.now() - started) task();
  return passed / rounds / 1000;
}

/** Seconds of one forward pass: what an attack costs is told in passes, since one run of it is too short to be timed. */
export function forwardSeconds(network, x) {
  secondsOf(() => network.logits(x), 30); // the first rounds run code that is not optimised yet
  return secondsOf(() => network.logits(x), 30);
}
