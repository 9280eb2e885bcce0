// A chart: lines with bands over linear or logarithmic axes, and the values under the pointer.

const kSvg = "http://www.w3.org/2000/svg";
const kDashes = ["", "7 4", "2 3", "8 3 2 3"];

// An element with attributes, functions on its events, and what it contains. Text is text: nothing
// that comes from a run is read as HTML.
function element(name, attributes = {}, ...content) {
  const made = name.startsWith("svg:") ? document.createElementNS(kSvg, name.slice(4)) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== false && value !== null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...content.flat().filter((part) => part !== null));
  return made;
}

const colorsOf = (look) => `--light: ${look.color}; --dark: ${look.dark}`;

function sampleOf(look) {
  return element("svg:svg", {class: "sample", viewBox: "0 0 34 10", "aria-hidden": "true", style: colorsOf(look)},
    element("svg:line", {class: "line", x1: 0, x2: 34, y1: 5, y2: 5, "stroke-dasharray": kDashes[look.dash]}));
}

// An axis: values to places on the screen.
class Axis {
  constructor(values, isLog, from, to, room) {
    let low = Infinity, high = -Infinity;
    for (const list of values) for (const value of list)
      if (Number.isFinite(value) && (!isLog || value > 0)) { low = Math.min(low, value); high = Math.max(high, value); }
    this.isEmpty = low > high;
    if (this.isEmpty) [low, high] = isLog ? [0.1, 1] : [0, 1];
    [this.isLog, this.from, this.to] = [isLog, from, to];
    const of = (value) => isLog ? Math.log10(value) : value;
    let [start, end] = [of(low), of(high)];
    // Values that only rounding tells apart are one value.
    const isOneValue = end - start <= 1e-9 * Math.max(Math.abs(start), Math.abs(end));
    const margin = isOneValue ? (isLog ? 0.3 : Math.abs(start) * 0.1 || 0.5) : room * (end - start);
    [this.start, this.end] = [start - margin, end + margin];
  }
  place(value) {
    const position = this.isLog ? (value > 0 ? Math.log10(value) : NaN) : value;
    return this.from + (this.to - this.from) * (position - this.start) / (this.end - this.start);
  }
  value(place) {
    const position = this.start + (this.end - this.start) * (place - this.from) / (this.to - this.from);
    return this.isLog ? 10 ** position : position;
  }
  ticks(count) {
    const of = (position) => this.isLog ? 10 ** position : position;
    return ticksOf(of(this.start), of(this.end), this.isLog, count);
  }
}

// Points as a path; a point without a place is a gap.
function pathOf(x, y) {
  let path = "", isOpen = false;
  for (let i = 0; i < x.length; ++i) {
    const isPoint = Number.isFinite(x[i]) && Number.isFinite(y[i]);
    if (isPoint) path += `${isOpen ? "L" : "M"}${x[i].toFixed(1)} ${y[i].toFixed(1)}`;
    isOpen = isPoint;
  }
  return path;
}

// The outline of a band, piece by piece between gaps.
function bandOf(x, low, high) {
  let path = "";
  for (let start = 0; start < x.length;) {
    let end = start;
    while (end < x.length && Number.isFinite(x[end]) && Number.isFinite(low[end]) && Number.isFinite(high[end])) ++end;
    if (end > start + 1) {
      const back = (list) => list.slice(start, end).reverse();
      path += pathOf(x.slice(start, end), high.slice(start, end)) + pathOf(back(x), back(low)).replace("M", "L") + "Z";
    }
    start = Math.max(end, start + 1);
  }
  return path;
}

// Series: {name, look, n, x, y, sd, isSeed, hasMarks}. `x`, `y` and `sd` are what was recorded and what the
// pointer shows; `line` and `spread`, where they are given, what is drawn (smoothed).
class Chart {
  constructor(title, xLabel) {
    this.height = 270;
    [this.title, this.xLabel] = [title, xLabel];
    this.values = element("div", {class: "values", hidden: true, role: "status"});
    this.svg = element("svg:svg", {role: "img", "aria-label": title, tabindex: 0,
      pointermove: (event) => this.point(event.clientX - this.svg.getBoundingClientRect().left),
      pointerdown: (event) => this.point(event.clientX - this.svg.getBoundingClientRect().left),
      pointerleave: () => this.unpoint(), blur: () => this.unpoint(), keydown: (event) => this.onKey(event)});
    this.root = element("figure", {class: "chart"}, element("h3", {}, title), this.svg, this.values);
    new ResizeObserver(() => this.root.clientWidth !== this.width && this.series && this.draw()).observe(this.root);
  }

  show(series, {isLogX, isLogY, xLabel}) {
    [this.series, this.isLogX, this.isLogY, this.xLabel] = [series, isLogX, isLogY, xLabel];
    this.draw();
  }

  draw() {
    const width = this.width = this.root.clientWidth || 560;
    const left = 62, right = width - 16, top = 10, bottom = this.height - 42;
    const lines = this.series.map((s) => s.line || s.y), spreads = this.series.map((s) => s.spread || s.sd);
    const edges = lines.flatMap((y, i) => !spreads[i] ? [y] : [-1, 1].map((sign) => Array.from(y, (value, k) => value + sign * spreads[i][k])));
    this.x = new Axis(this.series.map((s) => s.x), this.isLogX, left, right, 0);
    this.y = new Axis(this.isLogY ? lines : edges, this.isLogY, bottom, top, 0.04);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
    this.svg.setAttribute("height", this.height);
    this.marks = element("svg:g", {});
    this.svg.replaceChildren(this.frame(left, right, top, bottom, width), ...this.curves(lines, spreads), this.marks);
    this.unpoint();
  }

  frame(left, right, top, bottom, width) {
    const group = element("svg:g", {});
    for (const tick of this.x.ticks(Math.max(2, Math.floor(width / 90)))) {
      const x = this.x.place(tick);
      group.append(element("svg:line", {class: "grid", x1: x, x2: x, y1: top, y2: bottom}),
        element("svg:text", {x, y: bottom + 17, "text-anchor": "middle"}, rounded(tick)));
    }
    for (const tick of this.y.ticks(5)) {
      const y = this.y.place(tick);
      group.append(element("svg:line", {class: "grid", x1: left, x2: right, y1: y, y2: y}),
        element("svg:text", {x: left - 7, y: y + 4, "text-anchor": "end"}, rounded(tick)));
    }
    group.append(element("svg:path", {class: "axis", d: `M${left} ${top}V${bottom}H${right}`}),
      element("svg:text", {x: (left + right) / 2, y: bottom + 36, "text-anchor": "middle"}, this.xLabel));
    if (this.x.isEmpty || this.y.isEmpty)
      group.append(element("svg:text", {x: (left + right) / 2, y: (top + bottom) / 2, "text-anchor": "middle"}, "no points to draw"));
    return group;
  }

  curves(lines, spreads) {
    return this.series.map((series, i) => {
      const x = Array.from(series.x, (value) => this.x.place(value));
      const place = (sign) => Array.from(lines[i], (value, k) => this.y.place(this.inAxis(value + sign * spreads[i][k])));
      const y = Array.from(lines[i], (value) => this.y.place(value));
      const group = element("svg:g", {style: colorsOf(series.look)});
      if (spreads[i]) group.append(element("svg:path", {class: "band", d: bandOf(x, place(-1), place(1))}));
      group.append(element("svg:path", {class: series.isSeed ? "line seed" : "line", d: pathOf(x, y), "stroke-dasharray": kDashes[series.look.dash]}));
      // A line of one point cannot be seen.
      if (series.hasMarks || series.x.length === 1) {
        x.forEach((value, k) => Number.isFinite(value) && Number.isFinite(y[k]) &&
          group.append(element("svg:circle", {class: "dot", cx: value, cy: y[k], r: 3.5})));
      }
      return group;
    });
  }

  // The lower edge of a band may leave a logarithmic axis downwards: it is drawn to the axis.
  inAxis(value) {
    return this.isLogY ? Math.max(value, 10 ** this.y.start) : value;
  }

  // Shows the recorded values nearest to the place `left` on the screen.
  point(left) {
    if (this.x.isEmpty || this.y.isEmpty) return;
    const wanted = this.x.value(Math.min(Math.max(left, this.x.from), this.x.to));
    const found = this.series.map((series) => {
      let i = nearestPlace(series.x, wanted);
      while (i < series.x.length && !Number.isFinite(this.x.place(series.x[i]))) ++i;  // 0 on a logarithmic axis
      return {series, i, x: series.x[i], y: series.y[i]};
    }).filter(({series, i}) => i < series.x.length);
    if (found.length === 0) return;
    const distance = (x) => Math.abs(this.x.place(x) - this.x.place(wanted));
    const x = found.reduce((best, next) => distance(next.x) < distance(best.x) ? next : best).x;
    // A curve that has no point near is not spoken of.
    const near = found.filter((f) => Math.abs(this.x.place(f.x) - this.x.place(x)) < 12);
    this.pointed = x;
    this.mark(x, near);
    this.tell(x, near);
  }

  mark(x, near) {
    const place = this.x.place(x);
    const dots = near.map(({series, i, x: own}) => ({series, cx: this.x.place(own), cy: this.y.place((series.line || series.y)[i])}));
    this.marks.replaceChildren(element("svg:line", {class: "hair", x1: place, x2: place, y1: this.y.from, y2: this.y.to}),
      ...dots.filter(({cy}) => Number.isFinite(cy)).map(({series, cx, cy}) =>
        element("svg:circle", {class: "dot", style: colorsOf(series.look), r: 4, cx, cy})));
  }

  tell(x, near) {
    const kMost = 14;
    const rows = near.slice(0, kMost).map(({series, i, x: own, y}) => element("tr", {"data-name": series.name},
      element("td", {}, sampleOf(series.look)), element("td", {}, series.name),
      element("td", {class: "number"}, rounded(y) + (series.sd && Number.isFinite(y) ? ` ± ${rounded(series.sd[i], 2)}` : "")),
      element("td", {class: "soft"}, (own === x ? "" : `at ${rounded(own, 6)} `) + (series.n > 1 ? `n = ${series.n}` : ""))));
    const more = near.length > kMost ? [element("div", {class: "soft"}, `and ${near.length - kMost} more`)] : [];
    this.values.replaceChildren(element("div", {}, `${this.xLabel} ${rounded(x, 6)}`), element("table", {}, element("tbody", {}, rows)), ...more);
    this.values.hidden = false;
    const place = this.x.place(x), box = this.values.getBoundingClientRect();
    const isLeft = place + 14 + box.width > this.width;
    this.values.style.left = `${Math.max(0, isLeft ? place - 14 - box.width : place + 14)}px`;
    this.values.style.top = `${this.svg.offsetTop + 14}px`;
  }

  unpoint() {
    this.values.hidden = true;
    this.marks?.replaceChildren();
  }

  // Arrow keys move from point to point of the longest curve.
  onKey(event) {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step || !this.series.length) return;
    event.preventDefault();
    const xs = this.series.reduce((best, s) => s.x.length > best.length ? s.x : best, []);
    const i = this.values.hidden ? (step > 0 ? 0 : xs.length - 1) : nearestPlace(xs, this.pointed) + step;
    if (xs.length > 0) this.point(this.x.place(xs[Math.min(Math.max(i, 0), xs.length - 1)]));
  }
}
