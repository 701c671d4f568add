// Images of 28 x 28 numbers on canvases, and a line.

const SIDE = 28;

/** Paint 784 numbers, 0 black and 1 white; what lies outside is drawn as black or white. */
export function paint(canvas, values) {
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d"),
    picture = context.createImageData(SIDE, SIDE);
  values.forEach((v, at) => {
    const grey = Math.round(255 * Math.min(Math.max(v, 0), 1));
    picture.data.set([grey, grey, grey, 255], 4 * at);
  });
  context.putImageData(picture, 0, 0);
}

/** Grey levels of a perturbation: 0 is middle grey, +-1 / times is white or black. */
export const levels = (r, times) => r.map((v) => 0.5 + (times * v) / 2);

/** The points of a polyline of `values` in a box of `width` x `height`, from 0 to `top`. */
export const line = (values, width, height, top) =>
  values
    .map((v, k) => `${((k / (values.length - 1)) * width).toFixed(1)},${(height - (v / top) * height).toFixed(1)}`)
    .join(" ");

/** A number for people: three digits, no needless zeros. */
export const told = (v) => (Math.abs(v) >= 100 ? v.toFixed(0) : String(+v.toPrecision(3)));
