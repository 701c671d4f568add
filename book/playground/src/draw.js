// A drawing as MNIST's digits are: the largest side of what is drawn becomes 20 pixels, grey levels keep its edges
// soft, and the centre of its mass is the centre of 28 x 28 pixels (LeCun et al. 1998).

const SIDE = 28,
  BOX = 20;

/** (width x height) ink in [0, 1] -> 784 pixels in [0, 1], in steps of 1 / 255; all 0 if nothing is drawn. */
export function normalised(ink, width, height) {
  let left = width,
    right = -1,
    top = height,
    bottom = -1;
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++)
      if (ink[i * width + j] > 0.05) {
        left = Math.min(left, j);
        right = Math.max(right, j);
        top = Math.min(top, i);
        bottom = Math.max(bottom, i);
      }
  const out = new Float64Array(SIDE * SIDE);
  if (right < 0) return out;
  const wide = right - left + 1,
    high = bottom - top + 1,
    scale = BOX / Math.max(wide, high);
  const small = shrunk(ink, width, left, top, wide, high, scale);
  let mass = 0,
    x = 0,
    y = 0;
  small.values.forEach((v, at) => {
    mass += v;
    x += v * ((at % small.width) + 0.5);
    y += v * (Math.floor(at / small.width) + 0.5);
  });
  const right0 = Math.round(SIDE / 2 - x / mass),
    down0 = Math.round(SIDE / 2 - y / mass);
  small.values.forEach((v, at) => {
    const i = Math.floor(at / small.width) + down0,
      j = (at % small.width) + right0;
    if (i >= 0 && i < SIDE && j >= 0 && j < SIDE) out[i * SIDE + j] = Math.round(255 * Math.min(v, 1)) / 255;
  });
  return out;
}

/** The part of the ink as an image `scale` times its size: each pixel is the mean of what it covers. */
function shrunk(ink, width, left, top, wide, high, scale) {
  const w = Math.max(1, Math.round(wide * scale)),
    h = Math.max(1, Math.round(high * scale));
  const values = new Float64Array(w * h);
  const share = (low, size, k) => Math.max(0, Math.min(k + 1, low + size) - Math.max(k, low)); // overlap of [k, k + 1)
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const y = (i * high) / h,
        x = (j * wide) / w,
        dy = high / h,
        dx = wide / w;
      let sum = 0;
      for (let a = Math.floor(y); a < Math.min(high, y + dy); a++)
        for (let b = Math.floor(x); b < Math.min(wide, x + dx); b++)
          sum += ink[(top + a) * width + left + b] * share(y, dy, a) * share(x, dx, b);
      values[i * w + j] = sum / (dx * dy);
    }
  return { values, width: w };
}

const DRAWN = 280,
  PEN = 11,
  STEP = 10; // pixels of the pad, radius of the pen, a step of the arrow keys

/** Make a canvas a pad: a pointer draws; arrow keys move a pen that the space bar lowers and lifts. It is asleep until
 * allow(true), so that a finger can scroll the page across it. */
export function pad(canvas, changed) {
  canvas.width = canvas.height = DRAWN;
  const ink = document.createElement("canvas"); // what is drawn, without the keyboard's pen
  ink.width = ink.height = DRAWN;
  const shown = canvas.getContext("2d"),
    context = ink.getContext("2d", { willReadFrequently: true });
  let at = [DRAWN / 2, DRAWN / 2],
    down = false,
    keys = false,
    allowed = false;
  context.lineWidth = 2 * PEN;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = "#fff";

  function show() {
    shown.fillStyle = "#000";
    shown.fillRect(0, 0, DRAWN, DRAWN);
    shown.drawImage(ink, 0, 0);
    if (!keys) return;
    shown.beginPath();
    shown.arc(...at, PEN, 0, 2 * Math.PI);
    shown.strokeStyle = down ? "#ff6b5e" : "#6cb6ff";
    shown.lineWidth = 3;
    shown.stroke();
  }
  function line(to) {
    context.beginPath();
    context.moveTo(...at);
    context.lineTo(...to);
    context.stroke();
    at = to;
  }
  function finished() {
    const pixels = context.getImageData(0, 0, DRAWN, DRAWN).data;
    changed(
      normalised(
        Float64Array.from({ length: DRAWN * DRAWN }, (_, k) => pixels[4 * k + 3] / 255),
        DRAWN,
        DRAWN,
      ),
    );
  }
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * DRAWN) / box.width, ((event.clientY - box.top) * DRAWN) / box.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!allowed) return;
    canvas.setPointerCapture(event.pointerId);
    [keys, down, at] = [false, true, place(event)];
    line(at);
    show();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (down && !keys) {
      line(place(event));
      show();
    }
  });
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, () => {
      if (down && !keys) {
        down = false;
        finished();
      }
    });
  canvas.addEventListener("keydown", (event) => {
    if (!allowed) return;
    const move = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[
      event.key
    ];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    keys = true;
    if (!move) {
      down = !down;
      if (down) line(at);
      else finished();
    } else {
      const to = at.map((v, k) => Math.min(Math.max(v + move[k], PEN), DRAWN - PEN));
      if (down) line(to);
      else at = to;
    }
    show();
  });
  canvas.addEventListener("blur", () => {
    if (keys && down) finished();
    [keys, down] = [false, false];
    show();
  });
  show();
  return {
    allow(on) {
      allowed = on;
      canvas.tabIndex = on ? 0 : -1;
      canvas.classList.toggle("pg-drawing", on);
    },
    clear() {
      context.clearRect(0, 0, DRAWN, DRAWN);
      [keys, down, at] = [false, false, [DRAWN / 2, DRAWN / 2]];
      show();
    },
  };
}
