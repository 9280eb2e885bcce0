"use strict";
// Numbers: how they come in the data, and how they are written.

// Little-endian numbers in base64 (packed_floats and packed_counts of report/page.h).
function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}
const floatsOf = (text) => new Float32Array(bytesOf(text));
const countsOf = (text) => new Uint32Array(bytesOf(text));

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

// Four digits that count, as the tables of the program have.
function rounded(value, digits = 4) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(digits - 1).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(digits)));
}

// A mean to the second digit of its standard error: "0.8123 ± 0.0045".
function withError(mean, error) {
  if (!isNumber(mean)) return "–";
  if (!isNumber(error) || error <= 0) return rounded(mean);
  const decimals = Math.min(8, Math.max(0, 1 - Math.floor(Math.log10(error))));
  return `${mean.toFixed(decimals)} ± ${error.toFixed(decimals)}`;
}

// The ticks of an axis from `low` to `high`: about `count` round numbers, on a logarithmic axis powers
// of ten, and 2 and 5 times these where there are few.
function ticksOf(low, high, isLog, count) {
  if (!isLog) {
    const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
    const first = Math.ceil(low / step - 1e-9), ticks = [];
    // Counted, since first + 1 may be first where an axis is narrower than its numbers are exact.
    for (let k = 0; k <= 50 && (first + k) * step <= high + 1e-9 * step; ++k) {
      const tick = Number(((first + k) * step).toPrecision(12));
      if (tick !== ticks.at(-1)) ticks.push(tick);
    }
    return ticks;
  }
  const decades = Math.log10(high / low), every = Math.max(1, Math.ceil(decades / count));
  const factors = decades > 3 ? [1] : decades > 1 ? [1, 2, 5] : [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); ++power) {
    if (power % every !== 0) continue;
    for (const factor of factors) {
      const tick = Number((factor * 10 ** power).toPrecision(3));
      if (tick >= low * 0.9999 && tick <= high * 1.0001) ticks.push(tick);
    }
  }
  return ticks;
}

// The place of the entry of ascending `xs` nearest to `x`.
function nearestPlace(xs, x) {
  let low = 0, high = xs.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1; else high = middle;
  }
  return low > 0 && x - xs[low - 1] < xs[low] - x ? low - 1 : low;
}

// Running mean with weight `beta` on the past, unbiased from the first value on, as --curve-ema of
// `unlazy train`. A value that is not a number stays a gap and does not count.
function smoothed(values, beta) {
  if (beta === 0) return values;
  let sum = 0, weight = 0;
  return Array.from(values, (value) => {
    if (!Number.isFinite(value)) return NaN;
    sum = beta * sum + (1 - beta) * value;
    weight = beta * weight + (1 - beta);
    return sum / weight;
  });
}
