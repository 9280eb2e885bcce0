// The sections of the page: each function returns what stands below its heading, or null when there is
// nothing to say.

const kClaimRows = 10;
const kVerdicts = {"holds": "holds", "does not hold": "fails", "not clear": "open"};
const verdictOf = (verdict) => element("span", {class: `verdict ${kVerdicts[verdict] || "open"}`}, verdict);

// One number that a claim is about, on all groups with noise.
function checksOf({number, checks}) {
  const {least, unit, effect, without} = checks[0], hasOneBase = checks.every((check) => check.without === without);
  const rows = checks.map((check) => [cell(check.with), {text: verdictOf(check.verdict), value: check.verdict},
    isNumber(check.mean) ? {text: `${withError(100 * check.mean, 100 * check.std_error)} ${unit}`, value: check.mean, isNumber: true} : emptyCell(),
    isNumber(check.margin) ? {text: `± ${rounded(100 * check.margin, 3)}`, value: check.margin, isNumber: true} : emptyCell(),
    {text: `${check.differences.length}${check.missing}`, value: check.differences.length, isNumber: true}, numberCell(check.mean_with), numberCell(check.mean_without), ...(hasOneBase ? [] : [cell(check.without)])]);
  const head = ["with noise", "verdict", `${effect} (± standard error)`, "95 % interval", "n", "mean with", hasOneBase ? `without (${without})` : "without"];
  const note = `${number}. Asked for: ${rounded(100 * least)} ${least === 0.01 ? unit.replace(/s$/, "") : unit} or more, and more than 0.`;
  const counts = Object.keys(kVerdicts).map((verdict) => [verdict, checks.filter((check) => check.verdict === verdict).length]).filter(([, n]) => n > 0);
  const sum = checks.length > kClaimRows ? [element("p", {}, counts.map(([verdict, n]) => `${n} of ${checks.length}: ${verdict}`).join("; "))] : [];
  return [element("p", {class: "soft"}, note), ...sum, sortableTable(hasOneBase ? head : [...head, "the group without"], rows, {most: kClaimRows})];
}

// What the paper claims, checked on pairs of runs of one seed.
function claimsSection(data) {
  const checked = data.claims.filter((claim) => claim.checks.length > 0);
  if (checked.length === 0) return null;
  const texts = [...new Set(checked.map((claim) => claim.text))];
  const cards = texts.map((text) => element("div", {class: "claim"}, element("h3", {}, text),
    checked.filter((claim) => claim.text === text).flatMap(checksOf)));
  const open = data.claims.filter((claim) => claim.checks.length === 0);
  return [element("p", {class: "soft"}, "Differences within pairs of runs of one seed. A claim holds when the mean difference is as large as asked for and its 95 % " +
      "confidence interval (Student's t) lies above 0; it does not hold when the whole interval lies below what was asked for. It takes two pairs, and a number of each. " +
      "Runs of a pair are compared when both are finished, or have come to the same step."), ...cards,
    ...(open.length ? [element("p", {class: "soft"}, "Not checked, for lack of measurements: " +
      open.map((claim) => `${claim.text} (${claim.number}; ${claim.needs})`).join("; ") + ".")] : [])];
}

function tableSection(data) {
  const curves = data.table.curves.map((name) => ({name}));
  if (curves.length === 0) return null;
  const chosen = new Set(data.table.usual.map((name) => data.table.curves.indexOf(name)));
  const place = element("div");
  const kinds = [["last", "last"], ["tenth", "last tenth"], ["best", "best"]];
  const draw = () => {
    const columns = [...chosen].sort((a, b) => a - b).flatMap((i) => kinds.map(([kind, title]) => ({curve: curves[i].name, kind, title})))
      .filter(({curve, kind}) => data.table.rows.some((row) => row[curve] && isNumber(row[curve][kind][0])));
    const options = data.groups[0]?.options.map(([name]) => name) || [];
    const head = [...(options.length ? options : ["group"]), "n", ...columns.map(({curve, title}) => `${curve}, ${title}`)];
    const rows = data.groups.map((group, i) => [...(options.length ? group.options.map(([, value]) => cell(value || "–", value)) : [cell(group.name)]),
      {text: data.table.runs[i].text, value: data.table.runs[i].n, isNumber: true},
      ...columns.map(({curve, kind}) => cellOfSeeds(data.table.rows[i][curve], kind, data.table.runs[i].n))]);
    place.replaceChildren(sortableTable(head, rows, {id: "final"}));
  };
  draw();
  return [element("p", {class: "soft"}, "Mean ± standard error over n seeds. Last: the last reading. Last tenth: mean over the last tenth of training. Best: the best reading of each seed. " +
      "A run that has not finished is left out where another of its group has."),
    place, element("details", {class: "more"}, element("summary", {}, "Choose the curves of the table"), checkBoxes(curves, chosen, draw))];
}

function pruningSection(data) {
  if (data.pruning.length === 0) return null;
  const parts = data.pruning.map(({protocol, groups}) => {
    const chart = new Chart(protocol, "remaining weights, %");
    const series = groups.map((group) => ({name: group.name, look: group.look, n: group.n, hasMarks: true,
      x: group.density.map((density) => 100 * density), y: group.accuracy.map(([mean]) => mean),
      sd: group.n > 1 ? group.accuracy.map(([, , sd]) => sd) : null}));
    // Lines are searched by x, which must ascend.
    series.forEach((one) => { one.x.reverse(); one.y.reverse(); one.sd?.reverse(); });
    chart.show(series, {isLogX: true, isLogY: false, xLabel: "remaining weights, %"});
    // Groups may have been pruned to different levels: a column for each density that one of them has.
    const titleOf = (density) => rounded(100 * density, 3);
    const levels = [...new Set(groups.flatMap((group) => group.density.map(titleOf)))].sort((a, b) => b - a);
    const head = ["group", "n", ...levels.map((level) => `${level} %`)];
    const rows = groups.map((group) => [cell(group.name), countCell(group.n), ...levels.map((level) => {
      const i = group.density.findIndex((density) => titleOf(density) === level);
      return i < 0 ? emptyCell() : errorCell(group.accuracy[i]);
    })]);
    return {figure: element("div", {}, chart.root, legendOf(groups)),
      table: [element("h3", {}, `${protocol}: test accuracy by remaining weights, mean ± standard error`), sortableTable(head, rows)]};
  });
  return [element("p", {class: "soft"}, "Test accuracy against the convolution and linear weights that are left. Lines: means over seeds; bands: ± 1 standard deviation."),
    element("div", {class: "charts"}, parts.map(({figure}) => figure)), ...parts.flatMap(({table}) => table)];
}

const legendOf = (groups) => element("div", {class: "choices"}, groups.map((group) =>
  element("label", {}, sampleOf(group.look), group.name + (group.n > 1 ? ` (n = ${group.n})` : ""))));

// Curves that say how lazy, sharp or sparse a network is, at the end of training.
const isRegime = (name) => /^(ntk_|lazy_|distance_from_init|first_layer|activation_sparsity$|sharpness|hessian_(top|trace)|gradient_(noise|covariance))/.test(name);

function regimeSection(data) {
  const cells = data.groups.map((_, i) => {
    const row = {};
    for (const [name, value] of Object.entries(data.table.rows[i])) if (isRegime(name)) row[name] = value;
    for (const [name, value] of Object.entries(data.measured[i])) if (!(name in row)) row[name] = value;
    return row;
  });
  const names = [...new Set(cells.flatMap((row) => Object.keys(row)))].sort();
  const parts = [];
  if (names.length > 0) {
    const rows = data.groups.map((group, i) => [cell(group.name), countCell(group.n),
      ...names.map((name) => cellOfSeeds(cells[i][name], "last", group.n))]);
    parts.push(element("p", {class: "soft"}, "Last values, mean ± standard error over seeds: measured during training, or by unlazy measure at the newest checkpoint."),
      sortableTable(["group", "n", ...names], rows));
  }
  for (const {folder, statements} of data.statements) {
    parts.push(element("h3", {}, `${folder}: what the paper says about its Figures 3 and 5`));
    const rows = statements.map((statement) => [cell(statement.text), {text: verdictOf(statement.verdict), value: statement.verdict},
      cell(statement.effects.map((effect) => `${effect.name} ${withMargin(effect)}`).join("; ")), cell(statement.numbers)]);
    parts.push(sortableTable(["statement", "verdict", "effect ± half of the 95 % interval", "numbers for every seed"], rows));
  }
  if (data.spectra.length > 0) {
    const charts = data.spectra.map(({run, x, y}) => {
      const chart = new Chart(`Eigenvalues of the Hessian: ${run}`, "eigenvalue");
      chart.show([{name: "density", look: {color: "#1f5fbf", dark: "#7fb0ff", dash: 0}, n: 1, x, y}], {isLogX: false, isLogY: true, xLabel: "eigenvalue"});
      return chart.root;
    });
    parts.push(element("h3", {}, "Spectral density"), element("div", {class: "charts"}, charts));
  }
  return parts.length > 0 ? parts : null;
}

const withMargin = ({mean, margin}) => `${rounded(100 * mean, 3)} %` + (isNumber(margin) ? ` ± ${rounded(100 * margin, 3)} %` : "");

function picturesSection(data) {
  const {shown, others} = data.pictures;
  if (shown.length + others.length === 0) return null;
  return [element("div", {class: "pictures"}, shown.map(({of, name, url}) => element("figure", {},
      element("img", {src: url, alt: `${name} of ${of}`}), element("figcaption", {}, `${of}: ${name}`)))),
    ...(others.length ? [element("details", {}, element("summary", {}, `${others.length} more pictures, which the page has no room for`), element("pre", {}, others.join("\n")))] : [])];
}

function runsSection(data) {
  const rows = data.runs.map((run) => {
    const differing = Object.entries(run.options).map(([name, value]) => `${name}: ${value}`).join("\n");
    const more = element("details", {}, element("summary", {}, "show"), element("pre", {}, run.command || "no config.json"), ...(differing ? [element("pre", {}, differing)] : []));
    return [cell(run.name), cell(run.group === null ? "repeats another run" : data.groups[run.group].name), countCell(run.seed),
      numberCell(run.epochs), countCell(run.steps), cell(run.is_done ? "finished" : "not finished"), {text: more, value: run.folder}];
  });
  const shared = Object.entries(data.options).map(([name, value]) => `${name}: ${value}`).join("\n");
  return [sortableTable(["run", "group", "seed", "epochs", "steps", "state", "command and options"], rows, {most: 30}),
    ...(shared ? [element("details", {}, element("summary", {}, "Options that all runs share"), element("pre", {}, shared))] : [])];
}

function skippedSection(data) {
  if (data.skipped.length === 0) return null;
  return [sortableTable(["folder", "why it is not shown"], data.skipped.map(([folder, reason]) => [cell(folder), cell(reason)]))];
}
