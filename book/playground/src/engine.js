// The page's side of the worker. The worker starts from a Blob, since a page from file:// may not load a worker's file.
/* global WORKER_SOURCE */

export class Engine {
  #waiting = new Map();
  #number = 0;
  #loaded = new Map();

  constructor() {
    this.worker = new Worker(URL.createObjectURL(new Blob([WORKER_SOURCE], { type: "text/javascript" })));
    this.worker.onmessage = ({ data: { number, answer, error } }) => {
      const { resolve, reject } = this.#waiting.get(number);
      this.#waiting.delete(number);
      error === undefined ? resolve(answer) : reject(new Error(error));
    };
  }

  ask(task, request) {
    return new Promise((resolve, reject) => {
      this.#waiting.set(++this.#number, { resolve, reject });
      this.worker.postMessage({ number: this.#number, task, request });
    });
  }

  /** Load the network `name`, whose file is a script in `folder`, if it is not loaded yet. */
  load(name, folder) {
    if (!this.#loaded.has(name)) {
      const loading = scriptOf(`${folder}networks/${name}.js`).then((file) => this.ask("load", { id: name, file }));
      this.#loaded.set(name, loading);
      loading.catch(() => this.#loaded.delete(name)); // so that it can be tried again
    }
    return this.#loaded.get(name);
  }

  /** A network that the reader brings, a parsed file, under `name`. */
  async bring(name, file) {
    const loading = this.ask("load", { id: name, file });
    await loading;
    this.#loaded.set(name, loading);
  }

  has(name) {
    return this.#loaded.has(name);
  }
}

/** What a network's file hands to advbookNetwork when it is run as a classic script: that works from file:// too. */
function scriptOf(address) {
  const script = document.createElement("script");
  globalThis.advbookNetwork = (file) => {
    document.currentScript.network = file;
  };
  return new Promise((resolve, reject) => {
    script.onload = () =>
      script.network ? resolve(script.network) : reject(new Error(`${address} holds no network`));
    script.onerror = () => reject(new Error(`${address} cannot be loaded`));
    script.src = address;
    document.head.append(script);
  }).finally(() => script.remove());
}
