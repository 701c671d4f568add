// A perturbation as smooth as the image: Zhang, Avrithis, Furon and Amsaleg 2019, Eqs. (5), (8) and (9), as
// advutils/filters/smoothing.py has them with kernel "laplacian" and method "exact" (the chapter's settings on MNIST).

export const BANDWIDTH = 10;
const TOLERANCE = 1e-10,
  LONGEST = 5000;

/** Weights of the edges to the right and below, D^-1/2 W D^-1/2; 0 where the image ends. */
function edges(image, side) {
  const across = new Float64Array(side * side),
    down = new Float64Array(side * side),
    degree = new Float64Array(side * side);
  const join = (weights, at, next) => {
    weights[at] = Math.exp(-BANDWIDTH * Math.abs(image[next] - image[at]));
    degree[at] += weights[at];
    degree[next] += weights[at];
  };
  for (let i = 0, at = 0; i < side; i++)
    for (let j = 0; j < side; j++, at++) {
      if (j + 1 < side) join(across, at, at + 1);
      if (i + 1 < side) join(down, at, at + side);
    }
  for (let at = 0; at < image.length; at++) {
    if (across[at]) across[at] /= Math.sqrt(degree[at] * degree[at + 1]);
    if (down[at]) down[at] /= Math.sqrt(degree[at] * degree[at + side]);
  }
  return { across, down };
}

const dot = (a, b) => a.reduce((sum, v, j) => sum + v * b[j], 0);

/** The function r -> A^-1 r / A^-1 1 with A = I - alpha S of an image; linear, 1 goes to 1. */
export function smoother(image, alpha) {
  const side = Math.sqrt(image.length),
    { across, down } = edges(image, side);
  const apply = (v) => {
    const out = Float64Array.from(v);
    for (let at = 0; at < v.length; at++) {
      if (across[at]) {
        out[at] -= alpha * across[at] * v[at + 1];
        out[at + 1] -= alpha * across[at] * v[at];
      }
      if (down[at]) {
        out[at] -= alpha * down[at] * v[at + side];
        out[at + side] -= alpha * down[at] * v[at];
      }
    }
    return out;
  };
  const solve = (z) => {
    const goal = TOLERANCE ** 2 * dot(z, z),
      x = Float64Array.from(z),
      start = apply(z);
    const rest = Float64Array.from(z, (v, j) => v - start[j]);
    let direction = rest.slice(),
      size = dot(rest, rest);
    for (let round = 0; round < LONGEST && size > goal; round++) {
      const moved = apply(direction),
        step = size / dot(direction, moved),
        before = size;
      for (let j = 0; j < x.length; j++) {
        x[j] += step * direction[j];
        rest[j] -= step * moved[j];
      }
      size = dot(rest, rest);
      direction = direction.map((v, j) => rest[j] + (size / before) * v);
    }
    return x;
  };
  const ones = solve(new Float64Array(image.length).fill(1));
  return (r) => solve(r).map((v, j) => v / ones[j]);
}
