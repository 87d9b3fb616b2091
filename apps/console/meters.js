// Reads /metrics and draws what it says of backpressure and restarts: a number and a line for each reason.

const EVERY_MS = 2000;
const POINTS_MAX = 40;

/** The samples of Prometheus' text format: [{name, labels, value}]. */
export function parse(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[name] = value;
    samples.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return samples;
}

export class Meters {
  #backpressure;
  #restarts;
  #totals;
  #series = new Map(); // list and label -> {item, number, line, values}

  constructor(backpressure, restarts, totals) {
    this.#backpressure = backpressure;
    this.#restarts = restarts;
    this.#totals = totals;
  }

  start() {
    this.#poll();
    setInterval(() => document.hidden || this.#poll(), EVERY_MS);
  }

  async #poll() {
    let samples = [];
    try {
      const answer = await fetch("/metrics", { cache: "no-store" });
      if (answer.ok) samples = parse(await answer.text());
    } catch {
      return; // The node is away: what was seen last stands.
    }
    for (const [name, place] of Object.entries(this.#totals)) {
      const all = samples.filter((sample) => sample.name === name);
      place.textContent = all.reduce((sum, { value }) => sum + value, 0).toLocaleString();
    }
    this.#draw(this.#backpressure, samples.filter(({ name }) => name === "troupe_backpressure_total"), "reason");
    this.#draw(this.#restarts, samples.filter(({ name }) => name === "troupe_supervisor_restarts_total"), "child");
  }

  #draw(list, samples, label) {
    const seen = samples.filter(({ value }) => value > 0);
    list.querySelector(".none")?.remove();
    for (const { labels, value } of seen) this.#add(list, labels[label] ?? Object.values(labels).join(" "), value);
    if (list.childElementCount === 0) {
      const none = document.createElement("li");
      none.className = "none";
      none.textContent = "none so far";
      list.append(none);
    }
  }

  #add(list, name, value) {
    const key = `${list.id} ${name}`;
    let series = this.#series.get(key);
    if (!series) {
      const item = document.createElement("li");
      item.innerHTML = '<span></span><svg viewBox="0 0 100 20" preserveAspectRatio="none"><polyline/></svg><b></b>';
      item.firstChild.textContent = item.firstChild.title = name.replaceAll("_", " ");
      list.append(item);
      series = { number: item.querySelector("b"), line: item.querySelector("polyline"), values: [] };
      this.#series.set(key, series);
    }
    series.values.push(value);
    if (series.values.length > POINTS_MAX) series.values.shift();
    series.number.textContent = value.toLocaleString();
    const low = series.values[0];
    const span = Math.max(1, value - low);
    series.line.setAttribute("points", series.values
      .map((v, i) => `${(100 * i) / Math.max(1, series.values.length - 1)},${18 - (16 * (v - low)) / span}`).join(" "));
  }
}
