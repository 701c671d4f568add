// The box of the guided tour.
import { STEPS } from "./tour.js";

/** Wire the tour's box: each step sets the page's state; its claims lead to their cards in the book. */
export function wireTour(box, { set, book }) {
  const [begin, inside] = box.children,
    [title, text, claims] = inside.children;
  let at = 0;
  const go = (step) => {
    at = step;
    const { title: words, text: more, state, claims: ids } = STEPS[at];
    [begin.hidden, inside.hidden] = [true, false];
    title.textContent = `${at + 1} of ${STEPS.length}: ${words}`;
    text.textContent = more;
    const links = ids.map((id) => `<a href="${book}book/scoreboard.html#${id}">${id}</a>`);
    claims.innerHTML = `What was measured: ${links.join(", ")}`;
    box.querySelector('[data-do="back"]').disabled = at === 0;
    box.querySelector('[data-do="next"]').disabled = at === STEPS.length - 1;
    title.focus();
    set(state);
  };
  const leave = () => {
    [begin.hidden, inside.hidden] = [false, true];
    begin.focus();
  };
  box.addEventListener("click", ({ target }) =>
    ({ tour: () => go(0), next: () => go(at + 1), back: () => go(at - 1), leave })[target.dataset.do]?.(),
  );
}
