// The slider under the photograph of the front page: another still and the answer that was recorded for it.
document.querySelectorAll("figure.attack").forEach(figure => {
  const {words, right} = JSON.parse(figure.dataset.attack);
  const picture = figure.querySelector(".attacked"), slider = figure.querySelector("input"), answer = figure.querySelector("output");
  const folder = picture.getAttribute("src").replace(/[^/]+$/, "");
  function show() {
    picture.src = `${folder}${slider.value}.webp`;
    picture.alt = `The photograph with ${words[slider.value]}`;
    answer.textContent = words[slider.value];
    answer.className = right[slider.value] ? "" : "wrong";
    slider.setAttribute("aria-valuetext", words[slider.value]);
  }
  slider.addEventListener("input", show);
  slider.parentElement.hidden = false;
  show();
});
