// The worker: holds the networks and computes, so that the page stays responsive.
import { least } from "./least.js";
import { ascent } from "./loss.js";
import { makeNetwork } from "./network.js";
import { counted, forwardSeconds, look, run } from "./run.js";

const networks = new Map();

const TASKS = {
  load({ id, file }) {
    const network = makeNetwork(file);
    networks.set(id, network);
    return { title: network.title, answer: network.answer };
  },
  run: ({ id, image, label, settings }) => run(networks.get(id), image, label, settings),
  least({ id, image, label }) {
    const network = networks.get(id);
    const { found, passes } = counted(network, () => least(network, image, label));
    return { ...found, passes };
  },
  gradient: ({ id, image, label }) => ascent(networks.get(id), image, label),
  look: ({ id, image, label }) => look(networks.get(id), image, label),
  forward: ({ id, image }) => forwardSeconds(networks.get(id), image),
};

self.onmessage = ({ data: { number, task, request } }) => {
  try {
    self.postMessage({ number, answer: TASKS[task](request) });
  } catch (error) {
    self.postMessage({ number, error: error.message });
  }
};
