// The page's controls. Everything has a label, and is a control of the browser's own where there is one.
import { ATTACKS } from "./attacks.js";
import { html as panel } from "./panel.js";

export const html = () => `
  <section class="pg-tour" aria-label="Guided tour">
    <button type="button" data-do="tour">Take the tour: six steps</button>
    <div hidden><h3 tabindex="-1"></h3><p class="pg-text"></p><p class="pg-count" hidden></p>
      <button type="button" data-do="box" hidden></button><p class="pg-claims"></p><p class="pg-summary"></p>
      <p class="pg-next" hidden></p>
      <button type="button" data-do="back">Back</button> <button type="button" data-do="next">Next</button>
      <button type="button" data-do="leave">Leave the tour</button></div>
  </section>
  <p class="pg-message" role="alert" hidden></p>
  <div class="pg-controls">
    <section aria-label="Digit">
      <div class="pg-digits" role="group" aria-label="A digit of MNIST's test set"></div>
      <p class="pg-buttons"><button type="button" data-do="morph">Morph: budget σ from 0 to 10</button>
        <button type="button" data-do="least">What would fool it least</button></p>
      <p class="pg-summary pg-status" aria-live="polite"></p>
      <p class="pg-buttons"><button type="button" data-do="draw" aria-pressed="false">Draw</button>
        <button type="button" data-do="clear">Clear the drawing</button></p>
      <div class="pg-draw">
        <figure><canvas class="pg-seen" role="img" aria-label="the image as the networks see it"></canvas>
          <figcaption>what the networks see</figcaption></figure>
        <figure><canvas class="pg-pad" tabindex="-1" role="application" aria-label="Drawing pad. Press Draw first, then draw with a pointer,
            or move the pen with the arrow keys and lower or lift it with the space bar."></canvas>
          <figcaption>press Draw, then draw here with finger or mouse, or with arrow keys and space</figcaption>
          </figure></div>
    </section>
    <section aria-label="Attack" class="pg-attack">
      <label>Attack <select data-state="attack">${Object.entries(ATTACKS)
        .map(([name, attack]) => `<option value="${name}">${attack.title}</option>`)
        .join("")}</select></label>
      <label data-for="budget"><span>Budget <span class="pg-value"></span></span>
        <input type="range" data-state="budget" aria-label="Budget" min="0" max="1000" step="1"></label>
      <label data-for="q"><span>Norm <span class="pg-value"></span></span>
        <input type="range" data-state="q" aria-label="Norm" min="0" max="1" step="0.01"></label>
      <label data-for="clip"><input type="checkbox" data-state="clip"> keep pixels between black and white</label>
      <label><input type="checkbox" data-state="smooth"> smooth the perturbation like the image</label>
      <label data-for="alpha"><span>Smoothness <span class="pg-value"></span></span>
        <input type="range" data-state="alpha" aria-label="Smoothness" min="0" max="0.999" step="0.001"></label>
      <p class="pg-buttons"><button type="button" data-do="noise" hidden>Other noise</button>
        <button type="button" data-do="link">Copy a link to this</button></p>
    </section>
  </div>
  <div class="pg-panels">${panel("left")}${panel("right")}</div>
  <details class="pg-more"><summary>The unit ball of Eq. (3) in two dimensions</summary>
    <div class="pg-ball"><svg role="group" aria-label="Unit ball of the p-norm, a gradient and its epsilon"></svg>
      <div><p>Drag the gradient (blue), or move it with the arrow keys. Epsilon (red) is the point of the ball that goes
        furthest along it; the dashed line joins points of equal loss.</p>
        <label><span>Norm <span class="pg-value"></span></span>
          <input type="range" data-state="ball" aria-label="Norm of the plane" aria-valuetext="p = 2" min="0" max="1" step="0.01" value="0.5"></label>
        <p class="pg-says" aria-live="polite"></p></div></div>
  </details>
  <details class="pg-more"><summary>Your own network, and this page in a lesson</summary>
    <p><label>A network's file, as <code>advbook export-web</code> writes it
      <input type="file" data-do="own" accept=".js,.json"></label></p>
    <p><label>To embed this state in a page of yours
      <textarea readonly rows="3" data-do="snippet"></textarea></label></p>
  </details>
  <p class="pg-badge"></p>
  <p class="pg-summary pg-edge" aria-hidden="true"></p>`;
