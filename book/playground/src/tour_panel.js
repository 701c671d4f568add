// The box of the guided tour.
import { NEXT, STEPS } from "./tour.js";

/** Wire the tour's box; returns {show(step)}, step 0 being outside the tour. A step that the reader goes to sets the
 * page's state; one that the address names is only shown, since the address has the state too. `reach` brings a control
 * into view, `compare` counts digits (tour_count.js). */
export function wireTour(box, { set, book, reach, compare }) {
  const find = (selector) => box.querySelector(selector),
    [begin, inside] = box.children;
  let at = 0;

  function show(step) {
    at = step;
    [begin.hidden, inside.hidden] = [at > 0, at === 0];
    if (at === 0) return;
    const { title, text, claims, box: control, compared } = STEPS[at - 1];
    find("h3").textContent = `${at} of ${STEPS.length}: ${title}`;
    find(".pg-text").textContent = text;
    const links = Object.entries(claims).map(
      ([id, words]) => `<a href="${book}book/scoreboard.html#${id}">${words}</a>`,
    );
    find(".pg-claims").innerHTML = `What was measured: ${links.join("; ")}`;
    find('[data-do="box"]').hidden = !control;
    find('[data-do="box"]').textContent = control ? `Show the box “${control.words}”` : "";
    find('[data-do="back"]').disabled = at === 1;
    find(".pg-next").hidden = at < STEPS.length;
    find('[data-do="next"]').disabled = at === STEPS.length;
    find(".pg-next").innerHTML = NEXT(book);
    find(".pg-count").hidden = !compared;
    if (compared) count(step, compared);
  }
  function count(step, names) {
    find(".pg-count").textContent = "Counting on the twenty digits …";
    compare(names, (more, counted, done) => {
      if (at !== step) return false;
      find(".pg-count").textContent =
        `The second needs more on ${more} of ${counted} digits${done ? " here." : " so far …"}`;
      return true;
    }).catch((error) => {
      if (at === step) find(".pg-count").textContent = `Not counted: ${error.message}`;
    });
  }
  const go = (step) => {
    show(step);
    find("h3").focus();
    set({ ...STEPS[at - 1].state, tour: at });
  };
  const leave = () => {
    show(0);
    begin.focus();
    set({ tour: 0 });
  };
  box.addEventListener("click", ({ target }) =>
    ({
      tour: () => go(1),
      next: () => go(at + 1),
      back: () => go(at - 1),
      leave,
      box: () => reach(STEPS[at - 1].box.name),
    })[target.dataset.do]?.(),
  );
  return { show };
}
