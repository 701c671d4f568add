// The cross-entropy and its slopes, as advutils/attacks/ascent.py has them, and the answers of a network.

const others = (z, y) => z.map((v, k) => (k === y ? -Infinity : v));

export function softmax(z) {
  const top = Math.max(...z),
    powers = z.map((v) => Math.exp(v - top)),
    sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((v) => v / sum);
}

/** log sum_{k != y} exp(z_k) - z_y, the log-odds against class y. */
export function doubt(z, y) {
  const rest = others(z, y),
    top = Math.max(...rest);
  return top + Math.log(rest.reduce((sum, v) => sum + Math.exp(v - top), 0)) - z[y];
}

/** Its slope in z: the softmax of the other logits, and -1 at y. */
export function doubtSlope(z, y) {
  const slope = softmax(others(z, y));
  slope[y] = -1;
  return slope;
}

/** The cross-entropy, log(1 + exp(doubt)). */
export function loss(z, y) {
  const odds = doubt(z, y);
  return odds > 0 ? odds + Math.log1p(Math.exp(-odds)) : Math.log1p(Math.exp(odds));
}

/** A positive multiple of the loss gradient in the image, which a sure network does not round to 0. */
export function ascent(network, x, y) {
  return network.gradient(doubtSlope(network.logits(x), y));
}

export const argmax = (z) => z.reduce((best, v, k) => (v > z[best] ? k : best), 0);

/** What a network shows for each class: shares of its softmax, or its own outputs. */
export function answers(network, z) {
  if (network.answer === "softmax") return softmax(z);
  return network.answer === "sigmoid" ? z.map((v) => 1 / (1 + Math.exp(-v))) : z.slice();
}
