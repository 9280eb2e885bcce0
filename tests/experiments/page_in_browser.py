#!/usr/bin/env python3
"""Opens a page of `unlazy report` in headless Chromium and compares what it shows with the runs' own files.

usage: page_in_browser.py BROWSER PAGE.html

A script in a copy of the page moves the pointer over every chart, ticks boxes and sorts a table. Then this checks that
the browser reported no error, and that every number under the pointer, in the final table, in the claims and in the pruning tables
is the one that this script computes from metrics.csv and curve.csv. Needs nothing but Python's standard library.
"""
import csv
import html.parser
import json
import math
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

PROBE = """
<script>
addEventListener("load", () => setTimeout(() => {
  const seen = {charts: [], problems: []};
  const look = (kind) => {
    for (const chart of document.querySelectorAll(".chart")) {
      const svg = chart.querySelector("svg"), box = svg.getBoundingClientRect(), values = chart.querySelector(".values");
      for (let i = 0; i <= 8; ++i) {
        svg.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + 62 + (box.width - 78) * i / 8, bubbles: true}));
        if (values.hidden) { seen.problems.push(`${kind}: nothing under the pointer of ${chart.querySelector("h3").textContent}`); continue; }
        seen.charts.push({kind, section: chart.closest("section").id, title: chart.querySelector("h3").textContent, head: values.firstChild.textContent,
          rows: [...values.querySelectorAll("tr")].map((row) => [...row.cells].slice(1).map((cell) => cell.textContent))});
      }
      svg.dispatchEvent(new PointerEvent("pointerleave"));
      if (!values.hidden) seen.problems.push("values stay when the pointer leaves");
      svg.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
      if (values.hidden) seen.problems.push("the arrow keys show nothing");
    }
  };
  const lines = () => document.querySelectorAll("#curves path.line").length;
  const click = (key) => document.querySelector(`input[data-key="${key}"]`).click();
  look("plain");
  const before = lines();
  click("hasSeeds");
  seen.numSeedLines = lines() - before;
  look("seeds");
  click("isLogY");
  click("isLogX");
  look("logarithmic");
  const slider = document.querySelector('input[data-key="beta"]'), path = () => document.querySelector("#curves path.line").getAttribute("d");
  const rough = path();
  slider.value = 0.9;
  slider.dispatchEvent(new Event("input"));
  if (path() === rough) seen.problems.push("smoothing changes nothing");
  look("smoothed");
  for (const box of document.querySelectorAll("#curves .choices input")) if (box.checked) box.click();
  if (lines() !== 0) seen.problems.push("a group that is not ticked is drawn");
  const column = () => [...document.querySelectorAll("#final tbody tr")].map((row) => row.cells[0].textContent);
  const button = () => document.querySelector("#final th button");
  button().click(); seen.up = column();
  button().click(); seen.down = column();
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) seen.problems.push("the page is wider than the window");
  const out = document.createElement("pre");
  out.id = "probe";
  out.textContent = JSON.stringify(seen);
  document.body.append(out);
}, 200));
</script>
</body>"""


class Page(html.parser.HTMLParser):
    """The text of the probe and of the data, and all tables that have a head, with the section that they stand in."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.section, self.tables, self.open_id, self.in_cell = {}, "", [], None, False
        self.heads = set()
        self.feed(text)
        # The values under the pointer are a table without a head.
        self.tables = [table for i, table in enumerate(self.tables) if i in self.heads]

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "section":
            self.section = attrs.get("id", "")
        if tag == "table":
            self.tables.append((self.section, []))
        if tag == "th":
            self.heads.add(len(self.tables) - 1)
        if tag == "tr" and self.tables:
            self.tables[-1][1].append([])
        if tag in ("td", "th") and self.tables:
            self.tables[-1][1][-1].append("")
            self.in_cell = True
        if attrs.get("id") in ("probe", "data"):
            self.open_id = attrs["id"]
            self.ids[self.open_id] = ""

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.in_cell = False
        if tag in ("pre", "script"):
            self.open_id = None

    def handle_data(self, data):
        if self.open_id:
            self.ids[self.open_id] += data
        elif self.in_cell:
            self.tables[-1][1][-1][-1] += data.replace("\u200b", "")


def fits(text, value):
    """Is `text` the value, rounded to the digits that it has?"""
    match = re.fullmatch(r"(-?\d+)(?:\.(\d+))?(?:e([+-]?\d+))?", text)
    if not match:
        return text == "–" and math.isnan(value)
    unit = 10.0 ** (int(match[3] or 0) - len(match[2] or ""))
    # Trailing zeros of short numbers are left out, so a digit may hide: 0.5 for 0.50001.
    return abs(float(text) - value) <= 0.5 * unit + 1e-6 * abs(value) or abs(float(text) - value) <= 5e-4 * abs(value)



def curves_of(folder):
    curves = {}
    with open(pathlib.Path(folder) / "metrics.csv", newline="") as table:
        for row in csv.DictReader(table):
            curves.setdefault(row["name"], []).append((int(row["step"]), float(row["epoch"]), float(row["value"])))
    return curves


def ends_of(name, points):
    first, last = points[0][0], points[-1][0]
    values = [value for _, _, value in points]
    tenth = [value for step, _, value in points if step >= last - 0.1 * (last - first)]
    best = max(values) if "accuracy" in name else min(values) if "loss" in name else math.nan
    return {"last": values[-1], "last tenth": statistics.fmean(tenth), "best": best}


def mean_and_sd(values):
    mean = statistics.fmean(values)
    return mean, statistics.stdev(values) if len(values) > 1 and math.isfinite(mean) else math.nan


class Check:
    def __init__(self):
        self.count, self.problems = 0, []

    def that(self, condition, text):
        self.count += 1
        if not condition:
            self.problems.append(text)

    def mean(self, text, values, place, of_mean):
        """Is `text` "mean ± error", with the standard error of the mean, or the standard deviation?"""
        mean, sd = mean_and_sd(values)
        parts = text.split(" ± ")
        self.that(fits(parts[0], mean), f"{place}: {text}, but the files have the mean {mean}")
        if len(parts) > 1:
            error = sd / math.sqrt(len(values)) if of_mean else sd
            self.that(fits(parts[1], error), f"{place}: {text}, but the files have {error}")
        else:
            self.that(len(values) == 1 or sd == 0 or math.isnan(mean), f"{place}: {text} lacks its spread")


def check_pointer(check, seen, data, groups):
    """What stands under the pointer is what was recorded at that step."""
    seeds = {f"{group['name']}, seed {run['seed']}": run for run in data["runs"] if run["group"] is not None
             for group in [data["groups"][run["group"]]]}
    for shot in seen["charts"]:
        if shot["section"] != "curves":
            continue
        check.that(len(shot["rows"]) > 0, f"{shot['title']}: no values at {shot['head']}")
        for name, value, note in shot["rows"]:
            at = re.match(r"at (\S+) ", note)
            x = float(at[1] if at else shot["head"].split()[1])
            members = [seeds[name]] if name in seeds else groups[name]
            values = []
            for run in members:
                near = [v for _, epoch, v in run["curves"].get(shot["title"], []) if abs(epoch - x) <= 1e-5 * max(1, abs(epoch))]
                values += near
            place = f"{shot['kind']} {shot['title']} of {name} at epoch {x}"
            check.that(len(values) == len([r for r in members if shot["title"] in r["curves"]]), f"{place}: recorded by {len(values)} seeds")
            if values:
                check.mean(value, values, place, of_mean=False)


def check_final_table(check, page, data, groups):
    rows = next(rows for section, rows in page.tables if section == "table")
    head, names = rows[0], [name for name, _ in data["groups"][0]["options"]] or ["group"]
    check.that(head[:len(names)] == names, f"the final table begins with {head}")
    check.that(len(rows) == 1 + len(data["groups"]), "the final table has a row for each group")
    for row in rows[1:]:
        group = next(g for g in data["groups"] if [value or "–" for _, value in g["options"]] == row[:len(names)] or g["name"] == row[0])
        for title, text in list(zip(head, row))[len(names) + 1:]:
            curve, kind = title.rsplit(", ", 1)
            values = [ends_of(curve, run["curves"][curve])[kind] for run in groups[group["name"]] if curve in run["curves"]]
            if text != "–":
                check.mean(text, values, f"final table, {group['name']}, {title}", of_mean=True)


def check_claims(check, page, data, groups):
    tables = [rows for section, rows in page.tables if section == "claims"]
    claims = [claim for claim in data["claims"] if claim["checks"]]
    check.that(len(tables) == len(claims), "a table for each claim that was checked")
    for claim, rows in zip(claims, tables):
        curve = claim["number"].split(",")[0]
        for row in rows[1:]:
            baseline = row[7] if len(row) > 7 else re.search(r"\((.*)\)", rows[0][6])[1]
            pairs = [(a, b) for a in groups[row[0]] for b in groups[baseline] if a["seed"] == b["seed"]]
            if not all(curve in run["curves"] for pair in pairs for run in pair):
                continue  # of `unlazy measure` or `unlazy prune`
            ends = [[ends_of(curve, run["curves"][curve])["last tenth"] for run in pair] for pair in pairs]
            differences = [a / b - 1 if row[2].endswith("%") else a - b for a, b in ends]
            place = f"claim about {curve}, {row[0]}"
            shown = re.sub(" (%|points)$", "", row[2])
            check.mean(shown, [100 * d for d in differences], place, of_mean=True)
            check.that(row[4] == str(len(pairs)), f"{place}: n is {row[4]}")
            check.mean(row[5], [statistics.fmean(a for a, _ in ends)], place, of_mean=True)
            check.mean(row[6], [statistics.fmean(b for _, b in ends)], place, of_mean=True)


def check_pruning(check, page, data):
    """Each accuracy is the mean of rows of curve.csv, whose density the head of the table names."""
    levels = {}
    for path in (path for run in data["runs"] for path in pathlib.Path(run["folder"]).glob("prune-*/curve.csv")):
        with open(path, newline="") as table:
            for row in csv.DictReader(table):
                levels.setdefault(100 * float(row["density"]), []).append(float(row["test_accuracy"]))
    for rows in (rows for section, rows in page.tables if section == "pruning"):
        for row in rows[1:]:
            for title, text in list(zip(rows[0], row))[2:]:
                density = float(title.split()[0])  # to three digits
                if text == "–":
                    continue  # this group was not pruned to that density
                mean = text.split(" ± ")[0]
                known = [value for level, values in levels.items() if abs(level - density) <= 5e-3 * density for value in values]
                check.that(known and min(known) - 1e-4 <= float(mean) <= max(known) + 1e-4, f"pruning at {title}: {text} is none of {known}")
                if row[1] == "1":
                    check.that(any(fits(mean, value) for value in known), f"pruning at {title}: {text} is none of {known}")


def main():
    browser, path = sys.argv[1], pathlib.Path(sys.argv[2])
    text = path.read_text()
    with tempfile.TemporaryDirectory() as scratch:
        probed = pathlib.Path(scratch) / "probed.html"
        probed.write_text(text.replace("</body>", PROBE))
        done = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={scratch}/profile", "--window-size=1200,1000",
             "--virtual-time-budget=20000", "--enable-logging=stderr", "--dump-dom", probed.as_uri()],
            capture_output=True, text=True, timeout=300, check=False)
    check = Check()
    for line in done.stderr.splitlines():
        check.that("CONSOLE" not in line, f"the browser says: {line}")
    page = Page(done.stdout)
    if "probe" not in page.ids:
        sys.exit(f"the page did not come to its end; the browser said:\n{done.stderr[-3000:]}")
    seen, data = json.loads(page.ids["probe"]), json.loads(Page(text).ids["data"])
    for run in data["runs"]:
        run["curves"] = curves_of(run["folder"])
    groups = {group["name"]: [run for run in data["runs"] if run["group"] == i] for i, group in enumerate(data["groups"])}
    check.problems += seen["problems"]
    num_many = sum(len(runs) for runs in groups.values() if len(runs) > 1)
    check.that(seen["numSeedLines"] > 0 or num_many == 0, "single seeds are not drawn")
    check.that(seen["up"] == seen["down"][::-1], f"the final table does not sort: {seen['up']}, then {seen['down']}")
    check_pointer(check, seen, data, groups)
    check_final_table(check, page, data, groups)
    check_claims(check, page, data, groups)
    check_pruning(check, page, data)
    print(f"{check.count} checks of {len(seen['charts'])} places under the pointer and {len(page.tables)} tables")
    if check.problems:
        sys.exit("\n".join(check.problems[:20]) + f"\n{len(check.problems)} problems")


main()
