// Tables whose columns sort, and lists of check boxes.

// A cell: {text, value}: `value` is what it is sorted by (a number, or text).
const cell = (text, value = text) => ({text, value});
const numberCell = (value) => ({text: rounded(value), value, isNumber: true});
const countCell = (value) => ({text: String(value), value, isNumber: true});
const errorCell = ([mean, error]) => ({text: withError(mean, error), value: mean, isNumber: true});
// The `kind` of numbers over seeds ({n, last, ..}), with n where it is not that of the row.
function cellOfSeeds(numbers, kind, rowN) {
  if (!numbers) return emptyCell();
  const made = errorCell(numbers[kind]);
  return numbers.n === rowN ? made : {...made, text: `${made.text} (n = ${numbers.n})`};
}
const emptyCell = () => ({text: "–", value: null, isNumber: true});

// Numbers before words, and what is missing last in both directions.
function compareCells(a, b, sign) {
  const isMissing = (value) => value === null || value === undefined || value === "" || Number.isNaN(value);
  if (isMissing(a.value) || isMissing(b.value)) return isMissing(a.value) - isMissing(b.value);
  const [left, right] = [Number(a.value), Number(b.value)];
  if (!Number.isNaN(left) && !Number.isNaN(right)) return sign * (left - right);
  return sign * String(a.value).localeCompare(String(b.value), "en", {numeric: true});
}

// `head`: titles of the columns. `rows`: lists of cells. A click on a title sorts, a second one turns
// the order round. Rows beyond `most` are folded away until they are asked for.
function sortableTable(head, rows, {most = 60, id = null} = {}) {
  const body = element("tbody");
  const titles = head.map((title, i) => element("th", {scope: "col", class: rows[0]?.[i].isNumber ? "number" : false},
    element("button", {type: "button", click: () => sort(i)}, title.replaceAll("_", "_\u200b"))));  // long names may break there
  const made = rows.map((cells) => ({cells, row: element("tr", {}, cells.map((one) =>
    element("td", {class: one.isNumber ? "number" : one.text.length > 24 ? "long" : "wide"}, one.text)))}));
  let isFolded = rows.length > most;
  const more = element("button", {type: "button", class: "more", click: () => { isFolded = false; fold(); }});
  const fold = () => {
    [...body.rows].forEach((row, i) => row.classList.toggle("folded", isFolded && i >= most));
    more.hidden = !isFolded;
    more.textContent = `Show all ${rows.length} rows`;
  };
  const sort = (column) => {
    const isUp = titles[column].getAttribute("aria-sort") !== "ascending";
    titles.forEach((title, i) => i === column ? title.setAttribute("aria-sort", isUp ? "ascending" : "descending") : title.removeAttribute("aria-sort"));
    made.sort((a, b) => compareCells(a.cells[column], b.cells[column], isUp ? 1 : -1));
    body.append(...made.map((entry) => entry.row));
    fold();
  };
  body.append(...made.map((entry) => entry.row));
  fold();
  return element("div", {}, element("div", {class: "scroll"}, element("table", {id}, element("thead", {}, element("tr", {}, titles)), body)), more);
}

// Check boxes of `entries` ({name, look}); `chosen` is the set of places that are ticked.
function checkBoxes(entries, chosen, onChange) {
  const boxes = entries.map((entry, i) => element("input", {type: "checkbox", checked: chosen.has(i),
    change: (event) => { event.target.checked ? chosen.add(i) : chosen.delete(i); onChange(); }}));
  const labels = entries.map((entry, i) => element("label", {}, boxes[i], ...(entry.look ? [sampleOf(entry.look)] : []),
    entry.name + (entry.n > 1 ? ` (n = ${entry.n})` : "")));
  const list = element("div", {class: "choices", role: "group"}, labels);
  const isListed = (i) => !labels[i].hidden;
  const set = (isTicked) => {
    boxes.forEach((box, i) => { if (isListed(i)) { box.checked = isTicked; isTicked ? chosen.add(i) : chosen.delete(i); } });
    onChange();
  };
  const few = 6;
  if (entries.length <= few) return element("div", {}, list);
  const search = element("input", {type: "search", placeholder: "find", "aria-label": "find in the list",
    input: () => labels.forEach((label, i) => { label.hidden = !entries[i].name.includes(search.value); label.style.display = label.hidden ? "none" : ""; })});
  return element("div", {}, element("div", {class: "controls"}, search,
    element("button", {type: "button", click: () => set(true)}, "all"), element("button", {type: "button", click: () => set(false)}, "none")), list);
}
