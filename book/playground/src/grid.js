// The digits to choose from: one stop of the Tab key, inside which arrows move.
import { paint } from "./pictures.js";
import { aDigit } from "./speech.js";

/** Fill `box`; `choose(k)` is called for a digit. Returns {show(k)}, which marks the digit that is shown. */
export function grid(box, digits, choose) {
  const buttons = digits.map((digit, k) => {
    const button = document.createElement("button"),
      canvas = document.createElement("canvas");
    button.type = "button";
    button.title = `${digit.label}, ${k < 10 ? "the first of its class" : `one that could be ${aDigit(digit.rival)}`}`;
    button.setAttribute("aria-label", button.title);
    paint(canvas, digit.image);
    button.append(canvas);
    button.addEventListener("click", () => choose(k));
    return button;
  });
  box.append(...buttons);
  const stop = (at) =>
    buttons.forEach((button, k) => {
      button.tabIndex = k === at ? 0 : -1;
    });
  box.addEventListener("keydown", (event) => {
    const here = buttons.indexOf(event.target),
      columns = buttons.filter((button) => button.offsetTop === buttons[0].offsetTop).length;
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const to = { Home: 0, End: buttons.length - 1 }[event.key] ?? here + moves[event.key]; // NaN for another key
    if (here < 0 || Number.isNaN(to)) return;
    event.preventDefault();
    if (!buttons[to]) return;
    stop(to);
    buttons[to].focus();
  });
  stop(0);
  return {
    show(digit) {
      buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(digit === k)));
      if (buttons[digit] && !box.contains(document.activeElement)) stop(digit);
    },
  };
}
