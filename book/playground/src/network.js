// A network of the text of a file: logits, and gradients of weighted sums of logits.
import { makeLayer } from "./layers.js";

export const FORMAT = "advbook network 1";
const ANSWERS = ["softmax", "sigmoid", "none"];

/** The numbers of a file, taken one after the other; little-endian, without gaps. */
class Stream {
  constructor(bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }
  #need(bytes) {
    if (this.at + bytes > this.view.byteLength)
      throw new Error(
        `"data" is too short: ${this.view.byteLength} bytes, and the layers want ${this.at + bytes} or more`,
      );
  }
  int8(count) {
    this.#need(count);
    const found = new Int8Array(this.view.buffer, this.view.byteOffset + this.at, count);
    this.at += count;
    return found;
  }
  floats(count) {
    this.#need(4 * count);
    const found = Float32Array.from({ length: count }, (_, k) => this.view.getFloat32(this.at + 4 * k, true));
    this.at += 4 * count;
    if (!found.every(Number.isFinite)) throw new Error('"data" holds a scale or a bias that is no finite number');
    return found;
  }
  get rest() {
    return this.view.byteLength - this.at;
  }
}

function bytesOf(base64) {
  if (typeof base64 !== "string") throw new Error('"data" is missing; it is base64 text');
  let text;
  try {
    text = atob(base64);
  } catch {
    throw new Error('"data" is not base64');
  }
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** The JSON in a file that is JSON, or a call of advbookNetwork with JSON; an Error of one line if it is neither. */
export function documentOf(text) {
  if (!/^\s*(advbookNetwork\()?\{/.test(text))
    throw new Error("this is no network's file; advbook export-web writes them");
  const inside = text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1);
  try {
    return JSON.parse(inside);
  } catch {
    throw new Error("the file's JSON is damaged or cut short");
  }
}

/** {name, title, answer, logits(x), gradient(dz)} of a parsed file; an Error of one line if something is wrong. */
export function makeNetwork(file) {
  if (file?.format !== FORMAT) throw new Error(`the file's format is "${file?.format}", this page reads "${FORMAT}"`);
  if (!ANSWERS.includes(file.answer))
    throw new Error(`"answer" is "${file.answer}"; it is one of ${ANSWERS.join(", ")}`);
  if (file.pixels !== 784) throw new Error(`the network sees ${file.pixels} pixels; the digits here have 784`);
  if (file.classes !== 10) throw new Error(`the network has ${file.classes} classes; digits are 10`);
  if (!Array.isArray(file.layers) || !file.layers.length) throw new Error('"layers" is missing or empty');
  const stream = new Stream(bytesOf(file.data)),
    layers = [];
  let width = file.pixels;
  file.layers.forEach((entry, place) => {
    const [layer, gives] = makeLayer(entry, place, width, stream);
    layers.push(layer);
    width = gives;
  });
  if (width !== file.classes)
    throw new Error(`the last layer gives ${width} numbers, and there are ${file.classes} classes`);
  if (stream.rest) throw new Error(`"data" has ${stream.rest} bytes that no layer wants`);
  return {
    name: String(file.name),
    title: String(file.title),
    answer: file.answer,
    passes: { forward: 0, back: 0 }, // so far
    logits(x) {
      this.passes.forward++;
      return layers.reduce((values, layer) => layer.forward(values), Float64Array.from(x));
    },
    /** The gradient of dz . logits in x, at the image of the last call of logits. */
    gradient(dz) {
      this.passes.back++;
      return layers.reduceRight((slopes, layer) => layer.backward(slopes), Float64Array.from(dz));
    },
  };
}
