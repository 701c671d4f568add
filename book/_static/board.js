// Filters and sorting for the tables of claims and of errata, which are complete without this script. The state is in
// the address, so that a view can be sent to somebody.
document.querySelectorAll("table.scoreboard").forEach(table => {
  const rows = [...table.tBodies[0].rows];
  const here = new URLSearchParams(location.search);
  const named = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named && named.closest("table.scoreboard") === table) {  // an old address of a card
    location.replace(named.querySelector("a").href);
    return;
  }

  const form = document.createElement("form");
  form.className = "filters";
  form.setAttribute("role", "search");
  const search = document.createElement("input");
  Object.assign(search, {type: "search", name: "text", value: here.get("text") || ""});
  form.append(label("Text", search));
  const words = {paper: "Paper", verdict: "Verdict", scope: "Whose", kind: "Kind"};
  const told = {paper: "the paper's", ours: "our questions", identity: "identities"};
  const selects = Object.keys(words).filter(key => rows.some(row => row.dataset[key])).map(key => {
    const select = document.createElement("select");
    select.name = key;
    const counts = new Map();
    rows.forEach(row => counts.set(row.dataset[key], (counts.get(row.dataset[key]) || 0) + 1));
    select.append(new Option("all", ""));
    counts.forEach((n, value) => select.append(new Option(`${key === "scope" ? told[value] : value} (${n})`, value)));
    select.value = here.get(key) || "";
    if (select.selectedIndex < 0) select.value = "";
    form.append(label(words[key], select));
    return select;
  });
  const count = document.createElement("output");
  count.setAttribute("aria-live", "polite");
  form.append(count);
  table.parentElement.before(form);

  function label(word, field) {
    const made = document.createElement("label");
    made.append(word + " ", field);
    return made;
  }

  // .78 and 0.78 are the same number
  const plain = text => text.toLowerCase().replace(/(^|[^\d.])\.(\d)/g, "$10.$2");
  const texts = rows.map(row => plain(row.textContent));
  let sorted = here.get("sort") || "";

  function show() {
    const wanted = plain(search.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, k) => {
      row.hidden = !wanted.every(word => texts[k].includes(word))
        || selects.some(select => select.value && row.dataset[select.name] !== select.value);
      shown += !row.hidden;
    });
    count.value = `${shown} of ${rows.length}`;
    const state = new URLSearchParams();
    [search, ...selects].forEach(field => field.value && state.set(field.name, field.value));
    if (sorted) state.set("sort", sorted);
    const query = state.toString();
    try { history.replaceState(null, "", (query ? "?" + query : location.pathname) + location.hash); } catch { /* file:// */ }
  }

  const heads = [...table.tHead.rows[0].cells];
  function sort() {
    const down = sorted.startsWith("-"), column = Number(sorted.replace("-", ""));
    heads.forEach((head, k) => head.setAttribute("aria-sort", sorted && k === column ? (down ? "descending" : "ascending") : "none"));
    if (!sorted || !heads[column]) return;
    const key = row => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
    const numbers = rows.every(row => key(row) === "" || !isNaN(key(row)));
    const order = [...rows].sort((a, b) => {
      if (numbers && (key(a) === "" || key(b) === "")) return (key(a) === "") - (key(b) === "");
      return (numbers ? key(a) - key(b) : key(a).localeCompare(key(b))) * (down ? -1 : 1);
    });
    table.tBodies[0].append(...order);
  }
  heads.forEach((head, k) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => { sorted = sorted === `${k}` ? `-${k}` : `${k}`; sort(); show(); });
  });
  form.addEventListener("input", show);
  form.addEventListener("submit", event => event.preventDefault());
  sort();
  show();
});
