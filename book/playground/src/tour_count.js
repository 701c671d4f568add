// What a step of the tour says of all twenty digits is counted when it is shown.

/** Ask DeepFool on every digit that both networks read right: `tell(more, counted, done)` hears, after each, on how many
 * it goes further for the second network. `tell` returns false to stop. */
export async function compare(engine, folder, digits, names, tell) {
  for (const name of names) await engine.load(name, folder);
  let [more, counted] = [0, 0];
  for (const [k, { image, label }] of digits.entries()) {
    const lengths = [];
    for (const id of names) {
      const found = await engine.ask("run", { id, image, label, settings: { attack: "deepfool" } });
      const fooled = found.before.found === label && found.after.found !== label;
      lengths.push(fooled ? found.distances.l2 : NaN);
    }
    if (lengths.every(Number.isFinite)) counted++;
    if (lengths[1] > lengths[0]) more++;
    if (!tell(more, counted, k === digits.length - 1)) return;
  }
}
