// Puts the page together. Its data are those of experiments/runs/run_page.h.

const kFirstCurves = ["test_accuracy", "test_accuracy_recalibrated", "test_loss", "train_loss", "train_accuracy"];
const kMostCharts = 4, kMostGroups = 10;

// The curves of the data as the charts take them, unpacked when they are first wanted.
class Curves {
  constructor(data) {
    [this.data, this.grids, this.unpacked] = [data, [], new Map()];
  }
  grid(i) {
    if (!this.grids[i]) {
      const steps = countsOf(this.data.grids[i].steps), perStep = this.data.grids[i].epochs;
      this.grids[i] = {step: Array.from(steps), epoch: Array.from(steps, (step) => step * perStep)};
    }
    return this.grids[i];
  }
  of(name) {
    if (!this.unpacked.has(name)) {
      const {bands, seeds} = this.data.curves[name], {groups, runs} = this.data;
      this.unpacked.set(name, {
        bands: bands.map((band) => ({name: groups[band.group].name, group: band.group, look: groups[band.group].look, n: band.n,
          grid: this.grid(band.grid), y: floatsOf(band.mean), sd: band.sd ? floatsOf(band.sd) : null})),
        seeds: seeds.map((seed) => ({name: `${groups[runs[seed.run].group].name}, seed ${runs[seed.run].seed}`, group: runs[seed.run].group,
          look: groups[runs[seed.run].group].look, n: 1, isSeed: true, grid: this.grid(seed.grid), y: floatsOf(seed.values), sd: null}))});
    }
    return this.unpacked.get(name);
  }
}

function curvesSection(data) {
  const names = Object.keys(data.curves);
  if (names.length === 0) return null;
  const curves = new Curves(data);
  const wanted = kFirstCurves.filter((name) => names.includes(name)).concat(names.filter((name) => !kFirstCurves.includes(name)));
  const shownCurves = new Set(wanted.slice(0, kMostCharts).map((name) => names.indexOf(name)));
  const shownGroups = new Set(data.groups.slice(0, kMostGroups).keys());
  const state = {x: "epoch", isLogX: false, isLogY: false, beta: 0, hasSeeds: false, hasBands: true};
  const charts = new Map(), place = element("div", {class: "charts"});
  const draw = () => {
    const order = wanted.filter((name) => shownCurves.has(names.indexOf(name)));
    for (const name of order) if (!charts.has(name)) charts.set(name, new Chart(name, state.x));
    place.replaceChildren(...order.map((name) => charts.get(name).root));
    for (const name of order) charts.get(name).show(seriesOf(curves.of(name), state, shownGroups), {...state, xLabel: state.x});
  };
  const box = (key, title) => element("label", {}, element("input", {type: "checkbox", checked: state[key], "data-key": key,
    change: (event) => { state[key] = event.target.checked; draw(); }}), title);
  const xOf = element("select", {"aria-label": "horizontal axis", change: (event) => { state.x = event.target.value; draw(); }},
    element("option", {value: "epoch"}, "epochs"), element("option", {value: "step"}, "steps"));
  const smoothing = element("input", {type: "range", min: 0, max: 0.98, step: 0.02, value: 0, "data-key": "beta",
    input: (event) => { state.beta = Number(event.target.value); shown.textContent = rounded(state.beta); draw(); }});
  const shown = element("span", {}, "0");
  requestAnimationFrame(draw);  // when the page has a width
  const note = data.groups.length > kMostGroups ? ` ${kMostGroups} of ${data.groups.length} groups are ticked at first.` : "";
  return [element("p", {class: "soft"}, "Lines: means over seeds; bands: ± 1 standard deviation. The pointer, or the arrow keys, show what was recorded, also while the lines are smoothed. " +
      `Of long curves at most ${data.points} points are kept, the extremes among them.${note}`),
    element("div", {class: "controls"}, element("label", {}, "x:", xOf), box("isLogX", "logarithmic x"), box("isLogY", "logarithmic y"),
      element("label", {}, "smoothing", smoothing, shown), box("hasBands", "bands"), box("hasSeeds", "single seeds")),
    checkBoxes(data.groups, shownGroups, draw), place,
    element("details", {class: "more"}, element("summary", {}, `Choose among ${names.length} curves`), checkBoxes(names.map((name) => ({name})), shownCurves, draw))];
}

// The lines of a chart: bands of the chosen groups, behind them their single seeds.
function seriesOf({bands, seeds}, {x, beta, hasSeeds, hasBands}, groups) {
  const all = [...(hasSeeds ? seeds : []), ...bands].filter((one) => groups.has(one.group));
  return all.map((one) => ({...one, x: one.grid[x], sd: hasBands ? one.sd : null,
    line: beta > 0 ? smoothed(one.y, beta) : null, spread: beta > 0 && one.sd && hasBands ? smoothed(one.sd, beta) : null}));
}

function themeButton() {
  const root = document.documentElement, isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  return element("button", {type: "button", class: "theme", click: () => { root.dataset.theme = isDark() ? "light" : "dark"; }}, "light / dark");
}

function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const sections = [["claims", "Claims of the paper", claimsSection], ["curves", "Curves", curvesSection], ["table", "Final table", tableSection],
    ["pruning", "Pruning", pruningSection], ["regime", "Lazy or rich", regimeSection], ["pictures", "Pictures", picturesSection],
    ["runs", "Runs", runsSection], ["skipped", "Skipped", skippedSection]]
    .map(([id, title, make]) => ({id, title, content: make(data)})).filter(({content}) => content !== null);
  const count = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const seeds = data.groups.map((group) => group.n), [fewest, most] = [Math.min(...seeds), Math.max(...seeds)];
  const summary = `${count(data.runs.length, "run")} in ${count(data.groups.length, "group")}` +
    (data.groups.length ? `, ${fewest === most ? fewest : `${fewest} to ${most}`} ${most === 1 ? "seed" : "seeds"} each` : "") + `. Runs that differ only in the seed are one group. Made by unlazy ${data.version}.`;
  document.getElementById("page").append(
    element("header", {}, element("div", {}, element("h1", {}, document.title), element("div", {class: "soft"}, summary)), themeButton()),
    element("nav", {}, sections.map(({id, title}) => element("a", {href: `#${id}`}, title))),
    ...sections.map(({id, title, content}) => element("section", {id}, element("h2", {}, title), content)));
  document.documentElement.dataset.ready = "yes";
}

start();
