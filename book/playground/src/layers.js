// The layers of the playground's networks, forward and backward by hand. A layer is made of an entry of a network's
// file (advbook/web_export.py documents it) and the stream of its numbers; it has
//   forward(x)       -> y, and keeps what its backward pass needs;
//   backward(dy)     -> dx, the gradient of dy . y in x at the last forward pass.
// Numbers are doubles; weights are the float32 that int8 times a scale gives, so that Python has the very same.

const LONGEST = 1 << 24; // numbers in one layer; a file with more is not meant for a page

/** Rows of weights: int8 numbers, a float32 scale a row, a float32 bias a row. */
function rows(stream, count, width) {
  const numbers = stream.int8(count * width),
    scale = stream.floats(count),
    bias = stream.floats(count);
  const weight = new Float32Array(count * width);
  for (let r = 0, k = 0; r < count; r++) for (let j = 0; j < width; j++, k++) weight[k] = numbers[k] * scale[r];
  return { weight, bias, count, width };
}

/** W x, four sums at a time because one sum would wait for itself. */
function product({ weight, count, width }, x) {
  const y = new Float64Array(count),
    even = width - (width % 4);
  for (let r = 0; r < count; r++) {
    const start = r * width;
    let a = 0,
      b = 0,
      c = 0,
      d = 0,
      j = 0;
    for (; j < even; j += 4) {
      a += weight[start + j] * x[j];
      b += weight[start + j + 1] * x[j + 1];
      c += weight[start + j + 2] * x[j + 2];
      d += weight[start + j + 3] * x[j + 3];
    }
    for (; j < width; j++) a += weight[start + j] * x[j];
    y[r] = a + b + c + d;
  }
  return y;
}

/** W' dy. */
function transposed({ weight, count, width }, dy) {
  const dx = new Float64Array(width);
  for (let r = 0; r < count; r++) {
    const slope = dy[r];
    if (slope === 0) continue;
    for (let j = 0, k = r * width; j < width; j++, k++) dx[j] += slope * weight[k];
  }
  return dx;
}

function affine({ factor, shift }) {
  return { forward: (x) => x.map((v) => v * factor + shift), backward: (dy) => dy.map((v) => v * factor) };
}

function dense(entry, stream) {
  const w = rows(stream, entry.out, entry.in);
  return {
    forward: (x) => product(w, x).map((v, r) => v + w.bias[r]),
    backward: (dy) => transposed(w, dy),
  };
}

function maxout({ in: width, out, pieces }, stream) {
  const w = rows(stream, out * pieces, width);
  let winners;
  return {
    forward(x) {
      const z = product(w, x),
        y = new Float64Array(out);
      winners = new Int32Array(out);
      for (let unit = 0; unit < out; unit++) {
        y[unit] = -Infinity;
        for (let r = unit * pieces; r < (unit + 1) * pieces; r++)
          if (z[r] + w.bias[r] > y[unit]) [y[unit], winners[unit]] = [z[r] + w.bias[r], r];
      }
      return y;
    },
    backward(dy) {
      const dz = new Float64Array(out * pieces);
      dy.forEach((slope, unit) => {
        dz[winners[unit]] = slope;
      });
      return transposed(w, dz);
    },
  };
}

/** w . x / (|w| |x| + c) + b */
function angular({ in: width, out, c }, stream) {
  const w = rows(stream, out, width);
  const lengths = Float64Array.from({ length: out }, (_, r) =>
    Math.sqrt(w.weight.subarray(r * width, (r + 1) * width).reduce((sum, v) => sum + v * v, 0)),
  );
  let x, size, dots;
  return {
    forward(input) {
      x = input;
      size = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
      dots = product(w, x);
      return dots.map((dot, r) => dot / (lengths[r] * size + c) + w.bias[r]);
    },
    backward(dy) {
      const dx = transposed(
        w,
        dy.map((slope, r) => slope / (lengths[r] * size + c)),
      );
      if (size === 0) return dx;
      let along = 0;
      for (let r = 0; r < out; r++) along += (dy[r] * dots[r] * lengths[r]) / (lengths[r] * size + c) ** 2;
      return dx.map((v, j) => v - (along * x[j]) / size);
    },
  };
}

function conv({ in: channels, out, side, kernel, stride, padding }, stream) {
  const w = rows(stream, out, channels * kernel * kernel),
    wide = Math.floor((side + 2 * padding - kernel) / stride) + 1;
  // the patch of pixels under each place, as columns; a pixel outside the image is number -1
  const places = new Int32Array(wide * wide * w.width);
  let n = 0;
  for (let i = 0; i < wide; i++)
    for (let j = 0; j < wide; j++)
      for (let ch = 0; ch < channels; ch++)
        for (let a = 0; a < kernel; a++)
          for (let b = 0; b < kernel; b++) {
            const row = i * stride + a - padding,
              column = j * stride + b - padding;
            const inside = row >= 0 && row < side && column >= 0 && column < side;
            places[n++] = inside ? (ch * side + row) * side + column : -1;
          }
  return {
    forward(x) {
      const y = new Float64Array(out * wide * wide),
        patch = new Float64Array(w.width);
      for (let place = 0; place < wide * wide; place++) {
        for (let j = 0, k = place * w.width; j < w.width; j++, k++) patch[j] = places[k] < 0 ? 0 : x[places[k]];
        product(w, patch).forEach((v, r) => {
          y[r * wide * wide + place] = v + w.bias[r];
        });
      }
      return y;
    },
    backward(dy) {
      const dx = new Float64Array(channels * side * side),
        slopes = new Float64Array(out);
      for (let place = 0; place < wide * wide; place++) {
        for (let r = 0; r < out; r++) slopes[r] = dy[r * wide * wide + place];
        const back = transposed(w, slopes);
        for (let j = 0, k = place * w.width; j < w.width; j++, k++) if (places[k] >= 0) dx[places[k]] += back[j];
      }
      return dx;
    },
  };
}

function maxpool({ channels, side, kernel }) {
  const wide = Math.floor(side / kernel);
  let winners;
  return {
    forward(x) {
      const y = new Float64Array(channels * wide * wide).fill(-Infinity);
      winners = new Int32Array(y.length);
      for (let ch = 0, n = 0; ch < channels; ch++)
        for (let i = 0; i < wide; i++)
          for (let j = 0; j < wide; j++, n++)
            for (let a = 0; a < kernel; a++)
              for (let b = 0; b < kernel; b++) {
                const at = (ch * side + i * kernel + a) * side + j * kernel + b;
                if (x[at] > y[n]) [y[n], winners[n]] = [x[at], at];
              }
      return y;
    },
    backward(dy) {
      const dx = new Float64Array(channels * side * side);
      dy.forEach((slope, n) => {
        dx[winners[n]] += slope;
      });
      return dx;
    },
  };
}

function unit({ size }, stream) {
  const factor = stream.floats(size),
    shift = stream.floats(size);
  return {
    forward: (x) => x.map((v, j) => v * factor[j] + shift[j]),
    backward: (dy) => dy.map((v, j) => v * factor[j]),
  };
}

function sigmoid() {
  let y;
  return {
    forward: (x) => (y = x.map((v) => 1 / (1 + Math.exp(-v)))),
    backward: (dy) => dy.map((v, j) => v * (1 - y[j]) * y[j]),
  };
}

function relu() {
  let x;
  return {
    forward: (input) => (x = input).map((v) => Math.max(v, 0)),
    backward: (dy) => dy.map((v, j) => (x[j] > 0 ? v : 0)),
  };
}

// how each kind is made, the sizes that it must have, and how many numbers go in and come out of it
export const KINDS = {
  affine: { make: affine, sizes: [], io: () => null },
  dense: { make: dense, sizes: ["in", "out"], io: (e) => [e.in, e.out] },
  maxout: { make: maxout, sizes: ["in", "out", "pieces"], io: (e) => [e.in, e.out] },
  angular: { make: angular, sizes: ["in", "out"], io: (e) => [e.in, e.out] },
  conv: {
    make: conv,
    sizes: ["in", "out", "side", "kernel", "stride"],
    io: (e) => [e.in * e.side ** 2, e.out * (Math.floor((e.side + 2 * e.padding - e.kernel) / e.stride) + 1) ** 2],
  },
  maxpool: {
    make: maxpool,
    sizes: ["channels", "side", "kernel"],
    io: (e) => [e.channels * e.side ** 2, e.channels * Math.floor(e.side / e.kernel) ** 2],
  },
  unit: { make: unit, sizes: ["size"], io: (e) => [e.size, e.size] },
  sigmoid: { make: sigmoid, sizes: [], io: () => null },
  relu: { make: relu, sizes: [], io: () => null },
};

/** A layer of an entry, after `width` numbers: [layer, numbers that it gives]. Errors say what is wrong in one line. */
export function makeLayer(entry, place, width, stream) {
  const kind = Object.hasOwn(KINDS, entry?.kind) ? KINDS[entry.kind] : null;
  if (!kind)
    throw new Error(
      `layer ${place} is of the unknown kind "${entry?.kind}"; there are ${Object.keys(KINDS).join(", ")}`,
    );
  for (const size of kind.sizes)
    if (!Number.isInteger(entry[size]) || entry[size] < 1 || entry[size] > LONGEST)
      throw new Error(
        `layer ${place} (${entry.kind}) needs "${size}", a whole number from 1, and has ${entry[size]}`,
      );
  if (entry.kind === "affine" && !(Number.isFinite(entry.factor) && Number.isFinite(entry.shift)))
    throw new Error(`layer ${place} (affine) needs the numbers "factor" and "shift"`);
  if (entry.kind === "angular" && !(entry.c > 0)) throw new Error(`layer ${place} (angular) needs "c" above 0`);
  if (
    entry.kind === "conv" &&
    !(Number.isInteger(entry.padding) && entry.padding >= 0 && entry.padding <= entry.side)
  )
    throw new Error(`layer ${place} (conv) needs "padding", a whole number from 0`);
  const [takes, gives] = kind.io(entry) ?? [width, width];
  if (takes !== width)
    throw new Error(`layer ${place} (${entry.kind}) takes ${takes} numbers, the layer before gives ${width}`);
  if (!(gives >= 1 && gives <= LONGEST)) throw new Error(`layer ${place} (${entry.kind}) gives ${gives} numbers`);
  return [kind.make(entry, stream), gives];
}
