// p-norms of one vector, as advutils/core/norms.py has them.

export const largest = (v) => v.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

export function norm(v, p) {
  const top = largest(v);
  if (p === Infinity || top === 0) return top;
  return top * v.reduce((sum, x) => sum + (Math.abs(x) / top) ** p, 0) ** (1 / p);
}

export const dual = (p) => (p === 1 ? Infinity : p === Infinity ? 1 : p / (p - 1));

/** u with |u|_p = 1 and the largest g . u: Lyu et al. 2015, Eq. (3) with sigma = 1, its limits at 1 and infinity. */
export function steepest(g, p) {
  if (p === Infinity) return g.map(Math.sign);
  const top = largest(g);
  if (top === 0) return g.map(() => 0);
  if (p === 1) {
    const at = g.findIndex((x) => Math.abs(x) === top);
    return g.map((x, j) => (j === at ? Math.sign(x) : 0));
  }
  const scaled = g.map((x) => x / top),
    size = norm(scaled, dual(p));
  return scaled.map((x) => Math.sign(x) * (Math.abs(x) / size) ** (1 / (p - 1)));
}

/** The point of the ball |.|_p <= radius nearest to v, for p = 2 and infinity. */
export function project(v, radius, p) {
  if (p === Infinity) return v.map((x) => Math.min(Math.max(x, -radius), radius));
  const size = norm(v, 2);
  return size > radius ? v.map((x) => x * (radius / size)) : v;
}
