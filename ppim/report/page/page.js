"use strict";
// The page: a filter, a table, and charts of what the filter leaves. plotly draws.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const MOST_BARS = 32, MOST_BARS_NARROW = 16; // of a chart; the filter brings the others
  const BAR = 26, LINE = 16; // pixels of a bar with its gap, and of a line of its label
  const NARROW = 520; // pixels of a chart below which labels are cut into shorter lines
  const RUNS = data.runs;
  const everEnergy = RUNS.some((run) => Object.keys(run.energy).length);
  const TIMES = [[1e9, "s"], [1e6, "ms"], [1e3, "us"], [1, "ns"]];
  const BYTES = [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]];
  const ENERGIES = [[1e12, "J"], [1e9, "mJ"], [1e6, "uJ"], [1e3, "nJ"], [1, "pJ"]];
  const state = { words: [], facets: {}, baseline: 0, sort: null, down: true, open: new Set(), x: 0, y: "speed_up" };

  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name in made && typeof value !== "string") made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  };
  const speedUp = (run) => {
    const base = run.base[state.baseline];
    return base && run.time_ns ? base / run.time_ns : null;
  };
  const unitFor = (values, units) => {
    const most = Math.max(0, ...values.filter((value) => value !== null));
    return units.find(([size]) => most >= size) || units[units.length - 1];
  };
  const digits = (value) =>
    value === null || value === undefined ? "" :
    value === 0 ? "0" :
    Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en-US") :
    Math.abs(value) >= 10 ? value.toFixed(1) :
    Math.abs(value) >= 0.01 ? value.toFixed(2) : value.toExponential(1);

  // Columns of the table: figure of a run, and how it is written. `units`: one unit for the whole column.
  // Runs of a sweep have a number and a column for each axis; others have their name.
  const COLUMNS = [
    data.sweep ? { name: "label", title: "run", of: (run) => RUNS.indexOf(run) + 1, text: String } :
      { name: "label", title: "run", of: (run) => run.label, text: (value) => value },
    ...(data.sweep ? data.axes : []).map((axis) => ({
      name: `axis ${axis.name}`, title: axis.name.replaceAll("_", " "), of: (run) => run.axes[axis.name] ?? null, text: String, isAxis: true,
    })),
    { name: "time_ns", title: "time", of: (run) => run.time_ns, units: TIMES },
    { name: "speed_up", title: "speed-up", of: speedUp, text: (value) => value.toFixed(2) },
    { name: "energy_lookup_pj", title: "energy of a lookup", of: (run) => run.energy_lookup_pj, units: ENERGIES },
    { name: "hit_share", title: "hits", unit: "%", of: (run) => run.hit_share, text: (value) => (100 * value).toFixed(1) },
    { name: "bytes_dram", title: "from DRAM", of: (run) => run.bytes_dram, units: BYTES },
    { name: "bytes_external", title: "outside", of: (run) => run.bytes_external, units: BYTES },
    { name: "unit_imbalance", title: "max/mean", of: (run) => run.unit_imbalance, text: (value) => value.toFixed(2) },
    { name: "limit_share", title: "of limit", unit: "%", of: (run) => run.limit_share,
      text: (value, run) => `${(100 * value).toFixed(0)}${run.limit ? " " + run.limit : ""}` },
    ...Object.entries(data.classes).map(([name, short]) => ({
      name, title: short, unit: "%", of: (run) => run[name], text: (value) => (100 * value).toFixed(0),
    })),
  ].filter((column) => RUNS.some((run) => column.of(run) !== null));
  const MEANINGS = {
    time_ns: "Simulated time of the run.",
    speed_up: "Time of the baseline's run over the time of this one.",
    energy_lookup_pj: "Energy of the whole run over its lookups; empty where the system has no figure for something it does.",
    hit_share: "Accesses that a cache served, of all.",
    bytes_dram: "Bytes of all column commands of the DRAM.",
    bytes_external: "Bytes on the channels' external data buses.",
    unit_imbalance: "Accesses of the busiest PIM unit over the mean of all units.",
    limit_share: "Greatest lower bound of the time over the time, and what sets it. 100 % cannot be beaten with these accesses in this place.",
  };

  // --- what is shown ---------------------------------------------------------------------------

  const text = RUNS.map((run) => [run.label, run.name, run.trace, ...Object.values(run.identity)].join(" ").toLowerCase());
  const shown = () => {
    const left = RUNS.filter((run, index) =>
      state.words.every((word) => text[index].includes(word)) &&
      Object.entries(state.facets).every(([name, value]) => JSON.stringify(run.axes[name]) === value));
    const column = COLUMNS.find((each) => each.name === state.sort);
    if (!column) return left;
    const sign = state.down ? -1 : 1;
    return left.map((run) => [column.of(run), run]).sort(([a], [b]) =>
      a === b ? 0 : a === null ? 1 : b === null ? -1 : sign * (a < b ? -1 : 1)).map(([, run]) => run);
  };
  // Runs that differ in seeds only are one bar, their mean.
  const grouped = (runs) => {
    const groups = new Map();
    for (const run of runs) {
      if (!groups.has(run.label)) groups.set(run.label, []);
      groups.get(run.label).push(run);
    }
    return [...groups.entries()].map(([label, members]) => ({ label, members }));
  };
  const mean = (values) => values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  const known = (values) => values.filter((value) => value !== null && value !== undefined);

  // --- charts ----------------------------------------------------------------------------------

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (hex) => (dark.matches && data.dark[hex]) || hex;
  const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const escaped = (label) => label.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const wrap = (label, width) => {
    const lines = [""];
    for (const word of label.split(/(?<=[ ;,/])|(?=[+])/)) {
      if (lines.at(-1) && (lines.at(-1) + word).trimEnd().length > width) lines.push("");
      lines[lines.length - 1] += word;
    }
    return lines.flatMap((line) => line.match(new RegExp(`.{1,${width + 4}}`, "g")) || [""])
      .map((line) => escaped(line.trim())).join("<br>");
  };
  // plotly's own legend is cut where it is long; this one goes on in the next line.
  const legend = (place, entries) => {
    const old = byId(place).parentElement.querySelector(".legend");
    const made = element("ul", { class: "legend" }, ...entries.map(({ label, colour: ink, mark }) => {
      const sign = element("span", { "aria-hidden": "true" }, mark);
      sign.style.color = ink;
      return element("li", {}, sign, label);
    }));
    if (old) old.replaceWith(made);
    else byId(place).before(made);
  };
  const layout = (height, more) => {
    const base = { color: variable("--ink"), gridcolor: variable("--grid"), zerolinecolor: variable("--line"),
      linecolor: variable("--line"), automargin: true, fixedrange: true };
    return {
      height, margin: { l: 10, r: 12, t: 8, b: 40 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, 'DejaVu Sans', sans-serif", size: 12, color: variable("--ink") },
      hoverlabel: { bgcolor: variable("--card"), bordercolor: variable("--line"), font: { color: variable("--ink") } },
      dragmode: false, showlegend: false,
      ...more, xaxis: { ...base, ...more.xaxis }, yaxis: { ...base, ...more.yaxis },
    };
  };
  const note = (place, words) => { byId(`card-${place}`).querySelector(".note").textContent = words; };
  const CONFIG = { displaylogo: false, responsive: true, displayModeBar: false };
  const put = (place, traces, layoutOf) => {
    byId(place).hidden = !traces.length;
    if (traces.length) Plotly.react(byId(place), traces, layoutOf, CONFIG);
    else Plotly.purge(byId(place));
  };

  const bars = (place, all, title, units, parts) => {
    const width = byId(place).parentElement.clientWidth;
    const isNarrow = width < NARROW;
    const fitting = isNarrow ? MOST_BARS_NARROW : MOST_BARS;
    const groups = all.slice(0, fitting);
    const labels = groups.map((group) => wrap(group.label, isNarrow ? 16 : 30));
    // Bars stand at places, not at labels: two runs may be called the same, and long labels need more room.
    let end = 0;
    const places = labels.map((label) => {
      const room = Math.max(BAR, LINE * label.split("<br>").length + 8) / BAR;
      end += room;
      return end - room / 2;
    });
    const totals = groups.map((group) => mean(known(group.members.map((run) => parts.total(run)))));
    const [size, unit] = units ? unitFor(totals, units) : [1, "times"];
    const used = parts.list.filter((part) => groups.some((group) => group.members.some((run) => parts.of(run, part.name))));
    const traces = used.map((part) => ({
      type: "bar", orientation: "h", name: part.label, y: places, width: 0.74,
      x: groups.map((group) => (mean(group.members.map((run) => parts.of(run, part.name) || 0)) || 0) / size),
      marker: { color: colour(part.colour), line: { width: 0 } },
      hovertemplate: `%{customdata}<br>${part.label}: %{x:.4g} ${unit}<extra></extra>`,
      customdata: groups.map((group) => wrap(group.label, 40)), textposition: "none",
    }));
    if (parts.spread && traces.length) {
      const values = groups.map((group) => known(group.members.map((run) => parts.total(run))));
      if (values.some((own) => own.length > 1)) {
        traces[0].error_x = { type: "data", symmetric: false, color: variable("--ink"), thickness: 1.2, width: 3,
          array: values.map((own, index) => own.length > 1 ? Math.max(...own) - totals[index] : 0),
          arrayminus: values.map((own, index) => own.length > 1 ? totals[index] - Math.min(...own) : 0) };
      }
    }
    const ends = groups.map((group, index) => parts.spread && totals[index] !== null ?
      Math.max(...known(group.members.map((run) => parts.total(run)))) : totals[index] || 0);
    const annotations = groups.map((_, index) => ({
      x: ends[index] / size, y: places[index], xanchor: "left", showarrow: false, xshift: 3, font: { size: 11 },
      text: totals[index] === null ? "no figure" : units ? digits(totals[index] / size) : totals[index].toFixed(2),
    }));
    const most = Math.max(...ends, parts.spread ? 1 : 0) / size || 1;
    legend(place, used.length > 1 ? used.map((part) => ({ label: part.label, colour: colour(part.colour), mark: "\u25a0" })) : []);
    put(place, traces, layout(56 + BAR * end, {
      barmode: "stack", annotations,
      xaxis: { title: { text: `${title} (${unit})` }, range: [0, most * (isNarrow ? 1.28 : 1.14)], nticks: isNarrow ? 5 : 8 },
      yaxis: { tickmode: "array", tickvals: places, ticktext: labels, range: [end, 0], showgrid: false, zeroline: false },
      shapes: parts.spread ? [{ type: "line", x0: 1, x1: 1, yref: "paper", y0: 0, y1: 1,
        line: { color: variable("--faint"), dash: "dot", width: 1.5 } }] : [],
    }));
    note(place, all.length > groups.length ? `The first ${fitting} of ${all.length} in the table's order; filter to see others.` : "");
  };
  const sumOf = (field, list) => (run) => {
    const values = list.map((part) => run[field][part.name]).filter((value) => value !== undefined);
    return values.length ? values.reduce((sum, value) => sum + value, 0) : null;
  };
  const stack = (place, groups, title, units, field, list) =>
    bars(place, groups, title, units, { list, total: sumOf(field, list), of: (run, name) => run[field][name] });

  const FIGURES = {
    speed_up: { title: "speed-up", unit: "times", of: speedUp },
    time_ns: { title: "time", units: TIMES, of: (run) => run.time_ns },
    energy_lookup_pj: { title: "energy of a lookup", units: ENERGIES, of: (run) => run.energy_lookup_pj },
    hit_share: { title: "cache hits", unit: "% of accesses", of: (run) => run.hit_share === null ? null : 100 * run.hit_share },
    bytes_dram: { title: "bytes from DRAM", units: BYTES, of: (run) => run.bytes_dram },
    bytes_external: { title: "bytes outside", units: BYTES, of: (run) => run.bytes_external },
    unit_imbalance: { title: "busiest unit over mean", unit: "times", of: (run) => run.unit_imbalance },
  };
  const isNumber = (value) => typeof value === "number";
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
  const SYMBOLS = [["circle", "\u25cf"], ["square", "\u25a0"], ["diamond", "\u25c6"], ["triangle-up", "\u25b2"],
    ["triangle-down", "\u25bc"], ["x", "\u2716"], ["cross", "\u271a"], ["star", "\u2605"]];
  const MOST_CURVES = 16;
  const ways = data.axes.filter((axis) => !axis.seed);

  const sensitivity = (runs) => {
    const axis = ways[state.x];
    const figure = FIGURES[state.y];
    // What follows from the axis itself, as a system's mapping from the system, tells no curves apart.
    const follows = (other) => axis.values.every((value) =>
      new Set(runs.filter((run) => run.axes[axis.name] === value).map((run) => run.axes[other.name])).size <= 1);
    const others = ways.filter((each) => each !== axis && !follows(each));
    const word = (name, value) => typeof value === "string" && !["none", "all"].includes(value) ? value : `${name} ${value}`;
    const curves = new Map();
    for (const run of runs) {
      const [x, y] = [run.axes[axis.name], figure.of(run)];
      if (x === undefined || y === null || y === undefined) continue;
      const name = others.filter((each) => run.axes[each.name] !== undefined).map((each) => word(each.name, run.axes[each.name])).join(", ");
      if (!curves.has(name)) curves.set(name, new Map());
      const points = curves.get(name);
      if (!points.has(x)) points.set(x, []);
      points.get(x).push(y);
    }
    const names = [...curves.keys()].slice(0, MOST_CURVES);
    const values = names.flatMap((name) => [...curves.get(name).values()].map(mean));
    const [size, unit] = figure.units ? unitFor(values, figure.units) : [1, figure.unit];
    const numeric = axis.values.every(isNumber);
    const isLog = numeric && Math.min(...axis.values) > 0 && Math.max(...axis.values) / Math.min(...axis.values) >= 8;
    const width = byId("sensitivity").parentElement.clientWidth;
    const at = (value) => numeric ? value : axis.values.indexOf(value);
    const traces = names.map((name, index) => {
      const xs = [...curves.get(name).keys()].sort((a, b) => at(a) - at(b));
      return { type: "scatter", mode: "lines+markers", name: name || figure.title, x: xs.map(at),
        y: xs.map((x) => mean(curves.get(name).get(x)) / size),
        line: { color: colour(data.series[index % data.series.length]), dash: DASHES[Math.floor(index / data.series.length) % DASHES.length], width: 2 },
        marker: { symbol: SYMBOLS[index % SYMBOLS.length][0], size: 8 },
        customdata: xs.map(String), hovertemplate: `${escaped(axis.name)} %{customdata}: %{y:.4g} ${unit}<extra></extra>` };
    });
    legend("sensitivity", traces.length > 1 ? traces.map((trace, index) => ({ label: trace.name, colour: trace.line.color,
      mark: SYMBOLS[index % SYMBOLS.length][1] + (trace.line.dash === "solid" ? "" : ` (${trace.line.dash})`) })) : []);
    const room = (isLog ? Math.log(Math.max(...axis.values) / Math.min(...axis.values)) : Math.max(...axis.values) - Math.min(...axis.values)) / (width < NARROW ? 6 : 11);
    const ticks = [];
    if (numeric) for (const value of axis.values) {
      const last = ticks.at(-1);
      if (last === undefined || (isLog ? Math.log(value / last) : value - last) >= room) ticks.push(value);
    }
    const title = axis.name.replaceAll("_", " ");
    put("sensitivity", traces, layout(300, {
      margin: { l: 10, r: 16, t: 8, b: 44 },
      xaxis: { title: { text: title }, type: isLog ? "log" : "linear", tickmode: "array",
        tickvals: numeric ? ticks : axis.values.map(at), ticktext: (numeric ? ticks : axis.values).map((value) => wrap(isNumber(value) ? value.toLocaleString("en-US") : String(value), 12)),
        range: numeric ? undefined : [-0.4, axis.values.length - 0.6] },
      yaxis: { title: { text: `${figure.title} (${unit})` }, rangemode: "tozero" },
    }));
    note("sensitivity", curves.size > MOST_CURVES ? `The first ${MOST_CURVES} of ${curves.size} curves; filter to see others.` :
      traces.length ? "" : "No run that is shown has this figure.");
  };

  const draw = (runs) => {
    const groups = grouped(runs);
    byId("card-speed_up").querySelector("h2").textContent = `Speed-up over ${data.baselines[state.baseline]}`;
    bars("speed_up", groups.filter((group) => known(group.members.map(speedUp)).length),
      "speed-up", null,
      { list: [{ name: "speed_up", label: "speed-up", colour: data.series[0] }], total: speedUp, of: speedUp, spread: true });
    stack("time", groups, "time", TIMES, "time", data.parts.time);
    stack("dram", groups, "bytes", BYTES, "traffic", data.parts.dram);
    stack("outside", groups, "bytes", BYTES, "traffic", data.parts.outside);
    const hasEnergy = runs.some((run) => Object.keys(run.energy).length);
    stack("energy", hasEnergy ? groups : [], "energy", ENERGIES, "energy", data.parts.energy);
    if (!hasEnergy) note("energy", "No run that is shown has an energy total.");
    if (ways.length) sensitivity(runs);
    if (!runs.length) for (const place of ["speed_up", "time", "dram", "outside"]) note(place, "No run is left; take back a filter.");
  };

  // --- table -----------------------------------------------------------------------------------

  const heading = (runs) => {
    const row = element("tr");
    for (const column of COLUMNS) {
      column.size = 1;
      let unit = column.unit || "";
      if (column.units) [column.size, unit] = unitFor(RUNS.map(column.of), column.units);
      const button = element("button", { type: "button" }, unit ? `${column.title} (${unit})` : column.title);
      button.addEventListener("click", () => {
        const isFigure = column.name !== "label" && !column.isAxis; // largest first
        if (state.sort !== column.name) [state.sort, state.down] = [column.name, isFigure];
        else if (state.down === isFigure) state.down = !state.down;
        else state.sort = null;
        update();
        byId("runs").querySelector(`th[data-name="${column.name}"] button`).focus({ preventScroll: true });
      });
      const sort = state.sort !== column.name ? "none" : state.down ? "descending" : "ascending";
      row.append(element("th", { scope: "col", "aria-sort": sort, "data-name": column.name, class: column.isAxis ? "axis" : "", title: MEANINGS[column.name] || "" }, button));
    }
    byId("runs").tHead.replaceChildren(row);
  };
  const cell = (column, run) => {
    const value = column.of(run);
    if (value === null || value === undefined) return "-";
    return column.text ? column.text(value, run) : digits(value / column.size);
  };
  const table = (runs) => {
    heading(runs);
    const rows = [];
    for (const run of runs) {
      const isOpen = state.open.has(run);
      const name = data.sweep ? String(RUNS.indexOf(run) + 1) : run.label;
      const button = element("button", { type: "button", class: "open", "aria-expanded": String(isOpen),
        "aria-label": `settings of run ${name}` }, element("span", {}, name));
      button.addEventListener("click", () => { isOpen ? state.open.delete(run) : state.open.add(run); table(shown()); });
      const row = element("tr", { class: "run" });
      for (const column of COLUMNS) row.append(element("td", { class: column.isAxis ? "axis" : "" }, column.name === "label" ? button : cell(column, run)));
      rows.push(row);
      if (isOpen) rows.push(element("tr", { class: "details" }, element("td", { colSpan: COLUMNS.length }, details(run))));
    }
    byId("runs").tBodies[0].replaceChildren(...rows);
  };
  const list = (pairs) => element("dl", { class: "settings" }, ...pairs.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, Array.isArray(value) ? value.join(", ") : String(value)))));
  const details = (run) => {
    const inside = element("div", { class: "inside" });
    if (run.why) inside.append(element("h3", {}, "What makes the difference"), element("p", {}, run.why));
    inside.append(element("h3", {}, run.commands.length > 1 ? "Commands that make it again" : "Command that makes it again"));
    const command = element("pre", {}, run.commands.join("\n"));
    const copy = element("button", { type: "button" }, "Copy");
    copy.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(run.commands.join("\n")); copy.textContent = "Copied"; }
      catch { getSelection().selectAllChildren(command); copy.textContent = "Selected: press Ctrl-C"; }
    });
    inside.append(command, copy);
    inside.append(element("h3", {}, "What it is"), list(Object.entries({ ...run.identity, ...run.axes })));
    const settings = Object.entries(run.settings);
    const all = (title, pairs) => element("details", {}, element("summary", {}, title), list(pairs));
    inside.append(settings.length ? all(`All ${settings.length} parameters`, settings) :
      element("p", { class: "note" }, "All parameters are in the run's summary: give it (--summary FILE.json) to the report, too."));
    const unit = (name) => data.counters[name] ? ` (${data.counters[name].unit})` : "";
    inside.append(all("All counts", Object.entries(run.totals).map(([name, value]) => [name + unit(name), value.toLocaleString("en-US")])));
    return inside;
  };

  // --- the page --------------------------------------------------------------------------------

  const option = (value, label) => element("option", { value: String(value) }, label);
  const update = () => {
    const runs = shown();
    byId("count").textContent = `${runs.length} of ${RUNS.length} runs`;
    table(runs);
    draw(runs);
  };
  const facets = () => data.axes.filter((axis) => axis.values.length > 1).map((axis) => {
    const select = element("select", { "data-axis": axis.name }, option("", "all"),
      ...axis.values.map((value) => option(JSON.stringify(value), String(value))));
    select.addEventListener("change", () => {
      if (select.value) state.facets[axis.name] = select.value;
      else delete state.facets[axis.name];
      update();
    });
    return element("label", {}, axis.name.replaceAll("_", " "), select);
  });
  const meanings = () => {
    const lines = [];
    for (const column of COLUMNS) if (MEANINGS[column.name]) {
      lines.push(element("dt", {}, column.title), element("dd", {}, MEANINGS[column.name]));
    }
    const groups = [["Time by cause", "time"], ["Bytes from DRAM banks", "dram"], ["Bytes over the external bus", "outside"], ["Energy", "energy"]];
    for (const [title, name] of groups) {
      if (name === "energy" && !everEnergy) {
        lines.push(element("dt", {}, "Energy"), element("dd", {}, "No run has a total: a system has no figure for something that it does, or the results are older."));
        continue;
      }
      const what = element("dd");
      for (const part of data.parts[name]) {
        if (!RUNS.some((run) => (run[name === "dram" || name === "outside" ? "traffic" : name])[part.name])) continue;
        const swatch = element("span", { class: "swatch" });
        swatch.style.background = colour(part.colour);
        what.append(element("div", {}, swatch, `${part.label}: ${part.meaning}`));
      }
      lines.push(element("dt", {}, title), what);
    }
    byId("meanings").replaceChildren(...lines);
  };
  const failures = () => {
    if (!data.failures.length) return;
    byId("failures").append(element("details", { open: data.failures.length < 6 },
      element("summary", {}, `${data.failures.length} runs failed`),
      element("ul", {}, ...data.failures.map((each) => element("li", {},
        `${Object.entries(each.axes).map(([name, value]) => `${name} ${value}`).join(", ")}: ${each.error}`)))));
  };

  const traces = new Set(RUNS.map((run) => run.trace)).size;
  byId("about").textContent = `${RUNS.length} run${RUNS.length > 1 ? "s" : ""} on ${traces} trace${traces > 1 ? "s" : ""}` +
    (data.failures.length ? `, ${data.failures.length} failed` : "");
  byId("runs").classList.toggle("named", !data.sweep);
  byId("facets").append(...facets());
  byId("baseline").append(...data.baselines.map((name, index) => option(index, name)));
  byId("baseline").addEventListener("change", (event) => { state.baseline = Number(event.target.value); update(); });
  byId("find").addEventListener("input", (event) => {
    state.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    update();
  });
  byId("reset").addEventListener("click", () => {
    [state.words, state.facets, state.sort] = [[], {}, null];
    byId("find").value = "";
    for (const select of byId("facets").querySelectorAll("select")) select.value = "";
    update();
  });
  byId("card-energy").hidden = !everEnergy;
  byId("card-sensitivity").hidden = !ways.length;
  if (ways.length) {
    const first = ways.findIndex((axis) => axis.values.length > 1 && axis.values.every(isNumber));
    state.x = Math.max(first, 0);
    byId("x").append(...ways.map((axis, index) => option(index, axis.name.replaceAll("_", " "))));
    byId("x").value = String(state.x);
    byId("x").addEventListener("change", (event) => { state.x = Number(event.target.value); draw(shown()); });
    const figures = Object.entries(FIGURES).filter(([, figure]) => RUNS.some((run) => known([figure.of(run)]).length));
    byId("y").append(...figures.map(([name, figure]) => option(name, figure.title)));
    byId("y").addEventListener("change", (event) => { state.y = event.target.value; draw(shown()); });
  }
  failures();
  meanings();
  update();
  dark.addEventListener("change", () => { meanings(); draw(shown()); });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; draw(shown()); } });
  document.documentElement.dataset.ready = "yes";
})();
