// Eq. (3) in two dimensions: the unit ball of the p-norm, a gradient that can be moved, and the epsilon that it asks
// for.
import { dual, norm, steepest } from "./norms.js";
import { told } from "./pictures.js";

const SCALE = 90,
  STEP = 0.1,
  FURTHEST = 1.3;
const NAMESPACE = "http://www.w3.org/2000/svg";

/** Fill an SVG; returns {show(p)}. `says` gets one line of text for everything that changes. */
export function ball(svg, says) {
  let g = [0.9, 0.45],
    p = 2;
  svg.setAttribute("viewBox", "-130 -130 260 260");
  const part = (name, attributes) => {
    const found = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
    svg.append(found);
    return found;
  };
  part("path", { d: "M-130 0H130M0 -130V130", class: "axis" });
  const border = part("path", { class: "ball" }),
    level = part("line", { class: "level" });
  const gradient = part("line", { class: "gradient" }),
    epsilon = part("line", { class: "epsilon" });
  const end = part("circle", { r: 5, class: "epsilon-end" });
  const handle = part("circle", { r: 11, class: "handle", tabindex: 0, role: "button", "aria-label": "gradient" });
  const place = ([x, y]) => [x * SCALE, -y * SCALE];

  function show() {
    const outline = [];
    for (let k = 0; k < 240; k++) {
      const angle = (2 * Math.PI * k) / 240,
        u = [Math.cos(angle), Math.sin(angle)],
        size = norm(u, p);
      outline.push(
        place(u.map((v) => v / size))
          .map((v) => v.toFixed(2))
          .join(" "),
      );
    }
    border.setAttribute("d", `M${outline.join("L")}Z`);
    const e = steepest(g, p),
      [ex, ey] = place(e),
      [gx, gy] = place(g),
      size = norm(g, 2) || 1;
    for (const [line, x, y] of [
      [gradient, gx, gy],
      [epsilon, ex, ey],
    ]) {
      for (const name of ["x1", "y1"]) line.setAttribute(name, 0);
      line.setAttribute("x2", x);
      line.setAttribute("y2", y);
    }
    for (const [circle, x, y] of [
      [handle, gx, gy],
      [end, ex, ey],
    ]) {
      circle.setAttribute("cx", x);
      circle.setAttribute("cy", y);
    }
    // the line of equal loss through the end of epsilon: no point of the ball lies beyond it
    const [dx, dy] = [(-g[1] / size) * 1.1, (g[0] / size) * 1.1];
    const [[x1, y1], [x2, y2]] = [place([e[0] + dx, e[1] + dy]), place([e[0] - dx, e[1] - dy])];
    for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) level.setAttribute(name, value);
    const pair = (v) => `(${v.map((x) => x.toFixed(2)).join(", ")})`;
    const rise = told(norm(g, dual(p)));
    const text =
      `p = ${p === Infinity ? "∞" : told(p)}: gradient ${pair(g)}, epsilon ${pair(e)}; ` +
      `the loss rises by ${rise}, the length of the gradient in the dual norm`;
    handle.setAttribute("aria-label", `Gradient; arrow keys move it. ${text}`);
    says.textContent = text;
  }
  const moved = (to) => {
    g = to.map((v) => Math.min(Math.max(v, -FURTHEST), FURTHEST));
    show();
  };

  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
    handle.focus();
  });
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const box = svg.getBoundingClientRect();
    moved([
      (((event.clientX - box.left) / box.width) * 260 - 130) / SCALE,
      -(((event.clientY - box.top) / box.height) * 260 - 130) / SCALE,
    ]);
  });
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[
      event.key
    ];
    if (!step) return;
    event.preventDefault();
    moved(g.map((v, k) => +(v + step[k]).toFixed(6)));
  });
  show();
  return {
    show(next) {
      p = next;
      show();
    },
  };
}
