// The book's search on search.html: every word must stand in a title or a text; titles count more, whole words more.
(() => {
  const asked = new URLSearchParams(location.search).get("q") || "";
  const place = document.getElementById("search-results");
  document.querySelectorAll('input[name="q"]').forEach(input => { input.value = asked; });
  // .78 and 0.78 are the same number; -ise and -ize the same ending
  const plain = text => text.toLowerCase().replace(/(^|[^\d.])\.(\d)/g, "$10.$2").replace(/iz(e|a|i)/g, "is$1").replace(/’/g, "'");
  const words = plain(asked).split(/\s+/).filter(Boolean);
  if (!place || !words.length) return;
  const found = [];
  for (const [title, address, text] of bookEntries) {
    const head = plain(title), body = plain(text);
    let score = 0;
    for (const word of words) {
      const whole = new RegExp(`(^|[^\\p{L}\\d.])${word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}($|[^\\p{L}\\d])`, "u");
      const points = (whole.test(head) ? 10 : head.includes(word) ? 5 : 0) + (whole.test(body) ? 3 : body.includes(word) ? 1 : 0);
      if (!points) { score = 0; break; }
      score += points;
    }
    if (score) found.push([score, title, address, text]);
  }
  found.sort((a, b) => b[0] - a[0]);
  const told = document.createElement("p");
  told.textContent = `${found.length} ${found.length === 1 ? "place" : "places"} for “${asked}”`;
  told.setAttribute("role", "status");
  const list = document.createElement("ul");
  for (const [, title, address, text] of found.slice(0, 100)) {
    const item = document.createElement("li"), link = document.createElement("a"), excerpt = document.createElement("p");
    link.href = address;
    link.textContent = title;
    const at = Math.max(0, plain(text).indexOf(words[0]) - 80);
    excerpt.textContent = (at ? "… " : "") + text.slice(at, at + 240) + (at + 240 < text.length ? " …" : "");
    item.append(link, excerpt);
    list.append(item);
  }
  place.replaceChildren(told, list);
})();
