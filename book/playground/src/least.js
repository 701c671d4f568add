// The least that fools a network, as far as this page can find it: DeepFool's straight way, cut where the answer first
// changes, or the shortest PGD in l2 that succeeds. DeepFool alone can end many times too far, so it is not enough.
import { deepfool, pgd } from "./attacks.js";
import { argmax } from "./loss.js";
import { norm } from "./norms.js";

const POINTS = 20, // of a way, to find the first change of the answer
  HALVINGS = 10, // of the piece between two of them
  BUDGETS = 9, // of PGD that are tried
  FURTHEST = 10, // the largest budget of PGD, where DeepFool finds nothing
  FAR = 2; // DeepFool is said to have missed the border where it goes so many times as far as is needed

const at = (x, end, share) => x.map((v, j) => v + share * (end[j] - v));
export const length = (x, image) =>
  norm(
    x.map((v, j) => image[j] - v),
    2,
  );

/** The first point on the straight way from x to `end` that is not read as `own`, to 1 / 20480 of it; null if none. */
export function cut(network, x, end, own) {
  const reads = (share) => argmax(network.logits(at(x, end, share))) === own;
  let point = 1;
  while (point <= POINTS && reads(point / POINTS)) point++;
  if (point > POINTS) return null;
  let [low, high] = [(point - 1) / POINTS, point / POINTS];
  for (let k = 0; k < HALVINGS; k++) {
    const middle = (low + high) / 2;
    if (reads(middle)) low = middle;
    else high = middle;
  }
  return at(x, end, high);
}

/** The shortest perturbation that PGD in l2 finds within `budget`, or null. A budget that is too large can fail as one
 * that is too small does, so it is halved until one succeeds, and the border is looked for below that one. */
function shortest(network, x, own, budget) {
  let [low, tried, found] = [0, budget, null];
  for (let k = 0, high = budget; k < BUDGETS; k++) {
    const image = cut(network, x, pgd(network, x, own, { budget: tried, p: 2 }), own);
    if (image) [found, high] = [image, Math.min(tried, length(x, image))];
    else if (found) low = tried;
    else high = tried;
    tried = (low + high) / 2;
  }
  return found;
}

/** `image`, its l2 `length` and `by` whom (all null: nothing was found within l2 10), and of DeepFool the length `own`
 * where it ends (null: it fooled nothing) and whether it `missed` the border, going more than twice as far. A digit
 * that is not read as its label needs no fooling: `misread` is the answer, and nothing is looked for. */
export function least(network, x, label) {
  const answer = argmax(network.logits(x)),
    nothing = { image: null, length: null, by: null, own: null, missed: false, misread: null };
  if (label !== null && answer !== label) return { ...nothing, misread: answer };
  const end = deepfool(network, x),
    way = cut(network, x, end, answer);
  const walk = shortest(network, x, answer, way ? length(x, way) : FURTHEST);
  const own = way ? length(x, end) : null;
  if (!way && !walk) return nothing;
  const image = walk && (!way || length(x, walk) < length(x, way)) ? walk : way;
  const size = length(x, image);
  return {
    ...nothing,
    image,
    length: size,
    by: image === way ? "DeepFool" : "PGD",
    own,
    missed: own !== null && own > FAR * size,
  };
}
