"use strict";
// The interactive parts of the report: sorting, menus, charts, light and dark. The page contains the data as JSON.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const methods = data.methods;
  const byId = new Map(methods.map((method) => [method.id, method]));
  const nothing = "–";
  const find = (id) => document.getElementById(id);

  // Makes an element. Texts become text nodes, so nothing in the data is ever read as HTML.
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  // A method's name with a piece of its line, as in the first table of the page.
  const headings = [...find("methods").tBodies[0].rows].map((row) => row.cells[0]);
  const named = (id) => [...headings[methods.indexOf(byId.get(id))].childNodes].map((node) => node.cloneNode(true));

  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

  // Decimals of a column, so that its largest value has four digits.
  function decimals(values) {
    const largest = values.filter(isNumber).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return largest > 0 ? Math.min(Math.max(3 - Math.floor(Math.log10(largest)), 0), 6) : 3;
  }

  function fixed(value, places) {
    if (!isNumber(value)) return nothing;
    if (value !== 0 && Math.abs(value) < 0.5 * 10 ** -places) return value.toExponential(1);
    return value.toFixed(places).replace("-", "−");
  }

  // A share of resamples in percent: never 0 or 100, because no sample can prove that.
  function percent(share) {
    const rounded = Math.round(100 * share);
    return rounded < 1 ? "<1" : rounded > 99 ? ">99" : `${rounded}`;
  }

  function probability(value) {
    if (!isNumber(value)) return nothing;
    return value < 0.001 ? "< 0.001" : value.toFixed(3);
  }

  // A table in a box that scrolls.
  function tableOf(label, attributes, caption, head, rows) {
    const table = make("table", attributes, caption && make("caption", {}, caption),
      make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
    if (head.some((heading) => heading.dataset.sort !== undefined)) sortable(table);
    return make("div", { class: "scroll tall", tabindex: 0, role: "region", "aria-label": label }, table);
  }

  // --- sorting -------------------------------------------------------------------------------------------------------

  const keyOf = (cell) => (cell === undefined ? "" : (cell.dataset.value ?? cell.textContent.trim()));

  // Numbers by size, texts in alphabetical order; cells without a value come last in both directions.
  function compare(first, second, sign) {
    if (first === "" || second === "") return (first === "") - (second === "");
    const numbers = [Number(first), Number(second)];
    if (!numbers.some(Number.isNaN)) return sign * (numbers[0] - numbers[1]);
    return sign * first.localeCompare(second, "en", { numeric: true });
  }

  function sort(table, heading) {
    const headings = [...table.tHead.rows[0].cells];
    const place = headings.indexOf(heading);
    const first = heading.dataset.sort || "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const now = heading.getAttribute("aria-sort") === first ? other : first;
    for (const each of headings) if (each.hasAttribute("aria-sort")) each.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", now);
    const sign = now === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort((a, b) => compare(keyOf(a.cells[place]), keyOf(b.cells[place]), sign)));
  }

  // Puts buttons into the headings, which also work with the keyboard.
  function sortable(table) {
    for (const heading of table.tHead.rows[0].cells) {
      if (heading.dataset.sort === undefined) continue;
      const button = make("button", { type: "button" });
      button.append(...heading.childNodes);
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(table, heading));
    }
  }

  document.querySelectorAll("table.sortable").forEach(sortable);

  // Marks the boxes whose table is wider than they are.
  const boxes = new ResizeObserver((entries) => {
    for (const { target } of entries) target.classList.toggle("wide", target.scrollWidth > target.clientWidth + 1);
  });
  document.querySelectorAll("main .scroll").forEach((box) => boxes.observe(box));

  const all = find("all-scores");
  if (all) all.addEventListener("change", () => document.body.classList.toggle("all-scores", all.checked));

  // --- ranks and pairs -----------------------------------------------------------------------------------------------

  function rankTable(ranks) {
    const last = Math.max(methods.length, ...ranks.map((entry) => entry.high));
    const share = (rank) => `${(100 * (rank - 1)) / Math.max(last - 1, 1)}%`;
    const rows = ranks.map((entry) => {
      const range = make("span", { class: "range", role: "img", "aria-label": `rank ${entry.low} to ${entry.high}` });
      const bar = make("i");
      bar.style.left = share(entry.low);
      bar.style.right = `calc(100% - ${share(entry.high)})`;
      const dot = make("b");
      dot.style.left = share(entry.rank);
      range.style.color = byId.get(entry.method).colour;
      range.append(bar, dot);
      const interval = entry.low === entry.high ? `${entry.low}` : `${entry.low} to ${entry.high}`;
      return make("tr", {}, make("th", { scope: "row" }, ...named(entry.method)),
        make("td", {}, `${entry.rank}`), make("td", {}, interval), make("td", {}, range));
    });
    const head = ["method", "rank", "95 % interval", ""].map((text) => make("th", { scope: "col" }, text));
    return tableOf("ranks", {}, "Ranks", head, rows);
  }

  // The share of resamples in which method a is ahead of method b.
  function aheadOf(pairs, a, b) {
    const pair = pairs.find((each) => (each.a === a && each.b === b) || (each.a === b && each.b === a));
    if (!pair || !isNumber(pair.ahead)) return null;
    return pair.a === a ? pair.ahead : 1 - pair.ahead;
  }

  function matrix(pairs, order) {
    const rows = order.map((row) => make("tr", {}, make("th", { scope: "row" }, ...named(row)), ...order.map((column) => {
      const value = aheadOf(pairs, row, column);
      if (value === null) return make("td", {}, row === column ? "" : nothing);
      const cell = make("td", { class: "heat" }, percent(value));
      cell.title = `${byId.get(row).label} is ahead of ${byId.get(column).label} in ${(100 * value).toFixed(1)} % of resamples`;
      cell.style.setProperty("--heat", value);
      return cell;
    })));
    const head = ["", ...order.map((id) => byId.get(id).label)].map((text) => make("th", { scope: "col" }, text));
    const kind = order.length > 6 ? "matrix many" : "matrix";
    return tableOf("pairs of methods", { class: kind }, "Row is ahead of column in … % of resamples", head, rows);
  }

  function pairTable(pairs) {
    const places = decimals(pairs.map((pair) => pair.difference));
    const cell = (value, text) => make("td", { "data-value": isNumber(value) ? value : "" }, text);
    const rows = pairs.map((pair) => make("tr", {},
      make("th", { scope: "row", "data-value": byId.get(pair.a).label }, ...named(pair.a)),
      make("td", { class: "text", "data-value": byId.get(pair.b).label }, ...named(pair.b)),
      cell(pair.difference, fixed(pair.difference, places)),
      cell(pair.ahead, isNumber(pair.ahead) ? `${percent(pair.ahead)} %` : nothing),
      cell(pair.p, probability(pair.p)),
      cell(pair.p_corrected, probability(pair.p_corrected))));
    const head = ["a", "b", "a minus b", "a ahead", "p", "p, corrected"].map(
      (text, place) => make("th", { scope: "col", "data-sort": "", class: place === 1 ? "text" : null }, text));
    const title = pairs.length === 1 ? "The pair" : `All ${pairs.length} pairs`;
    return make("details", { open: pairs.length <= 30 ? "" : null }, make("summary", {}, title),
      tableOf("table of pairs", { class: "pairs" }, null, head, rows));
  }

  function showRanks(score) {
    const ranks = data.ranks.filter((entry) => entry.score === score).sort((a, b) => a.rank - b.rank);
    const pairs = data.pairs.filter((pair) => pair.score === score);
    const order = [...new Set([...ranks.map((entry) => entry.method), ...pairs.flatMap((pair) => [pair.a, pair.b])])];
    find("rank-table").replaceChildren(...(ranks.length ? [rankTable(ranks)] : []));
    find("rank-matrix").replaceChildren(...(pairs.length ? [matrix(pairs, order)] : []));
    find("rank-pairs").replaceChildren(...(pairs.length ? [pairTable(pairs)] : []));
  }

  function onSelect(id, show) {
    const select = find(id);
    if (!select) return;
    select.addEventListener("change", () => show(select.value));
    show(select.value);
  }

  onSelect("rank-score", (score) => {
    showRanks(score);
    document.querySelectorAll("#ranks .scroll").forEach((box) => boxes.observe(box));
  });

  // --- samples and classes -------------------------------------------------------------------------------------------

  onSelect("sample-class", (place) => {
    const select = find("sample-class");
    const name = select.options[select.selectedIndex].text;
    const figures = methods.filter((method) => data.rows[method.id]).map((method) => {
      const source = data.rows[method.id][Number(place)];
      const shown = source
        ? make("img", { src: source, alt: `samples of ${method.label}, class ${name}` })
        : make("span", { class: "quiet" }, "no samples");
      return make("figure", { "data-method": method.id }, make("figcaption", {}, ...named(method.id)), shown);
    });
    find("sample-rows").replaceChildren(...figures);
  });

  onSelect("class-score", (score) => {
    const values = data.perClass.scores[score];
    const shown = methods.filter((method) => values[method.id]);
    const numbers = shown.flatMap((method) => values[method.id]).filter(isNumber);
    const low = numbers.reduce((a, b) => Math.min(a, b), Infinity);
    const high = numbers.reduce((a, b) => Math.max(a, b), -Infinity);
    const places = Math.min(decimals([low, high]), 3);
    const way = data.scores[score] ? data.scores[score].higher_is_better : null;
    const first = way ? "descending" : "ascending";
    const rows = data.perClass.classes.map((name, place) => make("tr", {}, make("th", { scope: "row" }, name),
      ...shown.map((method) => {
        const value = values[method.id][place];
        if (!isNumber(value)) return make("td", { "data-value": "" }, nothing);
        const cell = make("td", { class: "heat", "data-value": value, title: `${method.label}, ${name}: ${value}` }, fixed(value, places));
        cell.style.setProperty("--heat", high > low ? (value - low) / (high - low) : 0);
        return cell;
      })));
    const head = [make("th", { scope: "col", "data-sort": "" }, "class"),
      ...shown.map((method) => make("th", { scope: "col", "data-sort": first }, method.label))];
    const arrow = way === true ? " ↑" : way === false ? " ↓" : "";
    const kind = { class: shown.length > 6 ? "many" : null };
    find("class-table").replaceChildren(tableOf(`${score} of each class`, kind, `${score}${arrow}`, head, rows));
  });

  // --- curves --------------------------------------------------------------------------------------------------------

  const chart = find("chart");
  const narrow = window.matchMedia("(width < 640px)");

  // A colour of the style sheet in the current theme; plotly cannot read CSS variables.
  function colour(name) {
    const probe = make("span", { style: `color: var(--${name})` });
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }

  // The band as closed shapes, one for each stretch of steps without gaps.
  function band(line) {
    const x = [];
    const y = [];
    let stretch = [];
    const close = () => {
      if (stretch.length > 1) {
        const back = [...stretch].reverse();
        x.push(...stretch.map((i) => line.step[i]), ...back.map((i) => line.step[i]), null);
        y.push(...stretch.map((i) => line.high[i]), ...back.map((i) => line.low[i]), null);
      }
      stretch = [];
    };
    line.step.forEach((_, i) => (isNumber(line.low[i]) && isNumber(line.high[i]) ? stretch.push(i) : close()));
    close();
    return { x, y };
  }

  function translucent(hex) {
    const part = (at) => parseInt(hex.slice(at, at + 2), 16);
    return `rgba(${part(1)}, ${part(3)}, ${part(5)}, 0.16)`;
  }

  // Plotly would read tags such as <b> in names.
  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  // Methods that the reader has hidden in the legend; they stay hidden in the next chart.
  const hidden = new Set();

  function traces(lines) {
    for (const trace of chart.data || []) {
      if (trace.visible === "legendonly") hidden.add(trace.legendgroup);
      else hidden.delete(trace.legendgroup);
    }
    const result = [];
    const places = decimals(Object.values(lines).flatMap((line) => line.mean));
    const bands = find("bands").checked;
    for (const method of methods.filter((each) => lines[each.id])) {
      const line = lines[method.id];
      const common = { type: "scatter", legendgroup: method.id, name: plain(method.label),
        visible: hidden.has(method.id) ? "legendonly" : true };
      if (bands) result.push({ ...common, ...band(line), uid: `band ${method.id}`, mode: "lines", line: { width: 0, color: method.colour },
        fill: "toself", fillcolor: translucent(method.colour), hoverinfo: "skip", showlegend: false });
      // A point between gaps has no line, so it needs a marker. Many points, or many lines, are clearer without.
      const points = line.mean.filter(isNumber).length;
      const alone = line.mean.some((value, i) => isNumber(value) && !isNumber(line.mean[i - 1]) && !isNumber(line.mean[i + 1]));
      const marked = alone || (points <= 30 && methods.length <= 12);
      result.push({ ...common, x: line.step, y: line.mean, uid: `line ${method.id}`, mode: marked ? "lines+markers" : "lines",
        line: { color: method.colour, dash: method.dash, width: 2 }, marker: { color: method.colour, size: 5 },
        customdata: line.step.map((_, i) => hoverText(line, i, places)),
        hovertemplate: "%{customdata}" + (methods.length > 12 ? "" : "<extra>%{fullData.name}</extra>") });
    }
    return result;
  }

  function hoverText(line, i, places) {
    const [mean, low, high] = [line.mean[i], line.low[i], line.high[i]].map((value) => fixed(value, places));
    return `${mean} (${low} to ${high}, n = ${line.n[i] ?? nothing})`;
  }

  const legendBelow = { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0 };

  function layout(key, title) {
    const axis = { gridcolor: colour("line"), linecolor: colour("line"), zerolinecolor: colour("line"), automargin: true };
    return {
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("quiet"), activecolor: colour("accent") },
      font: { color: colour("ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
      hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("line"), font: { color: colour("ink"), size: 12 } },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 60, r: 12, t: 36, b: 44 },
      autosize: true,
      // A box of 40 lines would cover the chart.
      hovermode: methods.length > 12 ? "closest" : "x unified",
      xaxis: { ...axis, title: { text: "step" }, uirevision: "always" },
      yaxis: { ...axis, title: { text: plain(title) }, uirevision: key },
      legend: narrow.matches || methods.length <= 12 ? legendBelow : { font: { size: 11 } },
    };
  }

  const options = { displaylogo: false, responsive: true, displayModeBar: "hover", showTips: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], showSendToCloud: false, showEditInChartStudio: false };

  // There is no half step: a short axis has a tick for each whole step.
  function wholeSteps([low, high]) {
    if (high - low >= 8) return { tickmode: "auto", tickvals: null };
    const first = Math.ceil(low);
    return { tickmode: "array", tickvals: Array.from({ length: Math.floor(high) - first + 1 }, (_, i) => first + i) };
  }

  function range(lines) {
    const steps = Object.values(lines).flatMap((line) => line.step);
    return [steps.reduce((a, b) => Math.min(a, b), Infinity), steps.reduce((a, b) => Math.max(a, b), -Infinity)];
  }

  // Draws the chosen curve, in the colours of the current theme.
  function showCurve() {
    if (!chart) return;
    const key = find("curve").value;
    const [kind, name] = JSON.parse(key);
    const drawn = layout(key, name);
    Object.assign(drawn.xaxis, wholeSteps(range(data.curves[kind][name])));
    Plotly.react(chart, traces(data.curves[kind][name]), drawn, options);
  }

  if (chart) {
    const select = find("curve");
    for (const [kind, title] of [["scores", "scores"], ["terms", "loss terms"]]) {
      const names = Object.keys(data.curves[kind]);
      if (!names.length) continue;
      const choices = names.map((name) => make("option", { value: JSON.stringify([kind, name]) }, name));
      select.append(make("optgroup", { label: title }, ...choices));
    }
    chart.classList.toggle("crowded", methods.length > 12);
    onSelect("curve", showCurve);
    chart.on("plotly_relayout", (change) => { // the reader has zoomed
      if (!Object.keys(change).some((key) => /^xaxis\.(range|autorange)/.test(key))) return;
      const { tickmode, tickvals } = wholeSteps(chart._fullLayout.xaxis.range);
      if (tickmode === "array" || chart._fullLayout.xaxis.tickmode === "array") {
        Plotly.relayout(chart, { "xaxis.tickmode": tickmode, "xaxis.tickvals": tickvals });
      }
    });
    find("bands").addEventListener("change", showCurve);
    narrow.addEventListener("change", showCurve); // the position of the legend depends on the width
  }

  // --- light and dark ------------------------------------------------------------------------------------------------

  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  find("theme").addEventListener("click", () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    showCurve();
  });
  dark.addEventListener("change", showCurve);

  // --- print ---------------------------------------------------------------------------------------------------------

  let kept = null;
  window.addEventListener("beforeprint", () => {
    if (kept) return;
    // Hundreds of pairs are printed only if the reader has opened them; the matrix shows most of it.
    const closed = [...document.querySelectorAll("details:not([open])")].filter((each) => each.querySelectorAll("tr").length <= 100);
    kept = { theme: root.dataset.theme, closed };
    kept.closed.forEach((each) => { each.open = true; });
    root.dataset.theme = "light";
    showCurve();
    if (chart) {
      const change = { autosize: false, width: 660, height: methods.length > 12 ? 800 : 420 };
      for (const [name, value] of Object.entries(legendBelow)) change[`legend.${name}`] = value;
      Plotly.relayout(chart, change);
    }
  });
  window.addEventListener("afterprint", () => {
    if (!kept) return;
    kept.closed.forEach((each) => { each.open = false; });
    if (kept.theme) root.dataset.theme = kept.theme;
    else delete root.dataset.theme;
    kept = null;
    showCurve();
  });

  // --- small things --------------------------------------------------------------------------------------------------

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const text = button.parentElement.querySelector("pre");
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "copied";
      } catch {
        // Some browsers deny files the clipboard: the text is selected instead.
        getSelection().selectAllChildren(text);
        button.textContent = "press Ctrl+C";
      }
      setTimeout(() => { button.textContent = "copy"; }, 2000);
    });
  }

  // The table of contents marks the section on the screen.
  const links = new Map([...document.querySelectorAll(".toc a")].map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -75% 0px" });
  document.querySelectorAll("main > section").forEach((section) => watcher.observe(section));
})();
