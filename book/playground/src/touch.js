// A finger that scrolls the page begins somewhere, often on a slider. A slider hears of a touch only once it has moved
// sideways, or when it ends as a tap; a touch that the browser takes for scrolling leaves the slider as it was.

const FAR = 8; // pixels

export function steady(root) {
  let held = null; // {slider, value before the touch, x, y}, until it is known what the finger wants
  const early = (name, hear) => root.addEventListener(name, hear, { capture: true });
  early("pointerdown", ({ pointerType, target, clientX: x, clientY: y }) => {
    if (pointerType === "touch" && target.type === "range") held = { slider: target, value: target.value, x, y };
  });
  const heard = (slider) => slider.dispatchEvent(new Event("input", { bubbles: true }));
  early("pointermove", ({ clientX, clientY }) => {
    if (!held) return;
    const [across, down] = [Math.abs(clientX - held.x), Math.abs(clientY - held.y)];
    if (across > FAR && across > down) held = null;
  });
  early("input", (event) => {
    if (held?.slider === event.target) event.stopPropagation();
  });
  early("pointercancel", () => {
    if (held) held.slider.value = held.value;
    held = null;
  });
  early("pointerup", ({ clientY }) => {
    if (!held) return;
    const { slider, value, y } = held;
    held = null;
    if (Math.abs(clientY - y) > FAR) slider.value = value;
    else heard(slider);
  });
}
