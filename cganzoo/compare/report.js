"use strict";
// What moves in the report: sorted columns, selects, charts, light and dark. The data stands in the page as JSON.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const methods = data.methods;
  const byId = new Map(methods.map((method) => [method.id, method]));
  const nothing = "–";
  const find = (id) => document.getElementById(id);

  // An element. Texts become text nodes, so nothing in the data is ever read as HTML.
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  // A method's name with a piece of its line.
  function named(id) {
    const method = byId.get(id);
    const space = "http://www.w3.org/2000/svg";
    const picture = document.createElementNS(space, "svg");
    const line = document.createElementNS(space, "line");
    const of = { x1: 1, y1: 4, x2: 25, y2: 4, stroke: method.colour, "stroke-width": 3, "stroke-dasharray": method.stroke };
    for (const [name, value] of Object.entries(of)) line.setAttribute(name, value);
    for (const [name, value] of Object.entries({ class: "key", width: 26, height: 8, "aria-hidden": "true" })) {
      picture.setAttribute(name, value);
    }
    picture.append(line);
    return [picture, " ", make("span", {}, method.label)];
  }

  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

  // Decimals of a column in which the largest value has four digits.
  function decimals(values) {
    const largest = values.filter(isNumber).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return largest > 0 ? Math.min(Math.max(3 - Math.floor(Math.log10(largest)), 0), 6) : 3;
  }

  function fixed(value, places) {
    if (!isNumber(value)) return nothing;
    if (value !== 0 && Math.abs(value) < 0.5 * 10 ** -places) return value.toExponential(1);
    return value.toFixed(places).replace("-", "−");
  }

  // A share of resamples: never 0 or 100, which a sample cannot show.
  function percent(share) {
    const rounded = Math.round(100 * share);
    return rounded < 1 ? "<1" : rounded > 99 ? ">99" : `${rounded}`;
  }

  function probability(value) {
    if (!isNumber(value)) return nothing;
    return value < 0.001 ? "< 0.001" : value.toFixed(3);
  }

  function box(label, table, kind = "scroll tall") {
    return make("div", { class: kind, tabindex: 0, role: "region", "aria-label": label }, table);
  }

  // --- sorting -------------------------------------------------------------------------------------------------------

  const keyOf = (cell) => (cell === undefined ? "" : (cell.dataset.value ?? cell.textContent.trim()));

  // Numbers by size, texts by the alphabet; a cell without a value comes last both ways.
  function compare(first, second, sign) {
    if (first === "" || second === "") return (first === "") - (second === "");
    const numbers = [Number(first), Number(second)];
    if (!numbers.some(Number.isNaN)) return sign * (numbers[0] - numbers[1]);
    return sign * first.localeCompare(second, "en", { numeric: true });
  }

  function sort(table, heading) {
    const headings = [...table.tHead.rows[0].cells];
    const place = headings.indexOf(heading);
    const before = heading.getAttribute("aria-sort");
    const first = heading.dataset.sort || "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const now = before === first ? other : first;
    for (const each of headings) if (each.hasAttribute("aria-sort")) each.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", now);
    const sign = now === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort((a, b) => compare(keyOf(a.cells[place]), keyOf(b.cells[place]), sign)));
  }

  // A heading becomes a button; so the keyboard works as well.
  function sortable(table) {
    for (const heading of table.tHead.rows[0].cells) {
      if (heading.dataset.sort === undefined) continue;
      const button = make("button", { type: "button" });
      button.append(...heading.childNodes);
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(table, heading));
    }
    return table;
  }

  document.querySelectorAll("table.sortable").forEach(sortable);

  const all = find("all-scores");
  if (all) all.addEventListener("change", () => document.body.classList.toggle("all-scores", all.checked));

  // --- ranks and pairs -----------------------------------------------------------------------------------------------

  function ranksOf(score) {
    return data.ranks.filter((entry) => entry.score === score && byId.has(entry.method)).sort((a, b) => a.rank - b.rank);
  }

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
    const head = ["method", "rank", "interval", ""].map((text) => make("th", { scope: "col" }, text));
    return box("ranks", make("table", {}, make("caption", {}, "Ranks"),
      make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
  }

  function matrix(pairs, order) {
    const ahead = new Map();
    for (const pair of pairs) {
      if (!isNumber(pair.ahead)) continue;
      ahead.set(JSON.stringify([pair.a, pair.b]), pair.ahead);
      const back = JSON.stringify([pair.b, pair.a]);
      if (!ahead.has(back)) ahead.set(back, 1 - pair.ahead);
    }
    const body = order.map((row) => make("tr", {}, make("th", { scope: "row" }, ...named(row)), ...order.map((column) => {
      const value = ahead.get(JSON.stringify([row, column]));
      if (value === undefined) return make("td", {}, row === column ? "" : nothing);
      const cell = make("td", { class: "heat" }, percent(value));
      cell.title = `${byId.get(row).label} is ahead of ${byId.get(column).label} in ${(100 * value).toFixed(1)} % of resamples`;
      cell.style.setProperty("--heat", value);
      return cell;
    })));
    const head = order.map((id) => make("th", { scope: "col" }, byId.get(id).label));
    return box("pairs of methods", make("table", { class: order.length > 6 ? "matrix many" : "matrix" },
      make("caption", {}, "Row is ahead of column in … % of resamples"),
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, ""), ...head)), make("tbody", {}, ...body)));
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
    const table = sortable(make("table", { class: "pairs" },
      make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
    const title = pairs.length === 1 ? "The pair" : `All ${pairs.length} pairs`;
    return make("details", { open: pairs.length <= 30 ? "" : null }, make("summary", {}, title), box("table of pairs", table));
  }

  function showRanks(score) {
    const ranks = ranksOf(score);
    const pairs = data.pairs.filter((pair) => pair.score === score && byId.has(pair.a) && byId.has(pair.b));
    const ranked = ranks.map((entry) => entry.method);
    const paired = new Set(pairs.flatMap((pair) => [pair.a, pair.b]));
    const order = [...ranked, ...methods.map((method) => method.id).filter((id) => paired.has(id) && !ranked.includes(id))];
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

  onSelect("rank-score", showRanks);

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
    const table = sortable(make("table", { class: shown.length > 6 ? "many" : "" }, make("caption", {}, `${score}${arrow}`),
      make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
    find("class-table").replaceChildren(box(`${score} of each class`, table));
  });

  // --- curves --------------------------------------------------------------------------------------------------------

  const chart = find("chart");
  const narrow = () => window.innerWidth < 640;

  // A colour of the style sheet as the theme of now has it; plotly knows no var().
  function colour(name) {
    const probe = make("span", { style: `color: var(--${name})` });
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }

  // The band as closed shapes, one for each stretch without gaps.
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

  // plotly reads tags such as <b> in names; these are names as they are.
  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  // The methods that the reader has hidden by the legend; they stay so in the next chart.
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
      // A point between gaps draws no line, so it needs a mark. Many points, or many lines, are clearer without.
      const points = line.mean.filter(isNumber).length;
      const alone = line.mean.some((value, i) => isNumber(value) && !isNumber(line.mean[i - 1]) && !isNumber(line.mean[i + 1]));
      const marked = alone || (points <= 30 && methods.length <= 12);
      result.push({ ...common, x: line.step, y: line.mean, uid: `line ${method.id}`, mode: marked ? "lines+markers" : "lines",
        line: { color: method.colour, dash: method.dash, width: 2 }, marker: { color: method.colour, size: 5 },
        customdata: line.step.map((_, i) => told(line, i, places)),
        hovertemplate: "%{customdata}" + (methods.length > 12 ? "" : "<extra>%{fullData.name}</extra>") });
    }
    return result;
  }

  function told(line, i, places) {
    const [mean, low, high] = [line.mean[i], line.low[i], line.high[i]].map((value) => fixed(value, places));
    return `${mean} (${low} to ${high}, n = ${line.n[i] ?? nothing})`;
  }

  function look() {
    const axis = { gridcolor: colour("line"), linecolor: colour("line"), zerolinecolor: colour("line") };
    return {
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("quiet"), activecolor: colour("accent") },
      font: { color: colour("ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
      hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("line"), font: { color: colour("ink"), size: 12 } },
      axis,
    };
  }

  function layout(key, title) {
    const { axis, ...rest } = look();
    const count = methods.length;
    const below = narrow() || count <= 12;
    return {
      ...rest,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 60, r: 12, t: 36, b: 44 },
      autosize: true,
      // A box of 40 lines would cover the chart.
      hovermode: count > 12 ? "closest" : "x unified",
      xaxis: { ...axis, title: { text: "step" }, automargin: true, uirevision: "always" },
      yaxis: { ...axis, title: { text: plain(title) }, automargin: true, uirevision: key },
      legend: below ? { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0 } : { font: { size: 11 } },
    };
  }

  const options = { displaylogo: false, responsive: true, displayModeBar: "hover", showTips: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], showSendToCloud: false, showEditInChartStudio: false };

  function showCurve(key) {
    const [kind, name] = JSON.parse(key);
    Plotly.react(chart, traces(data.curves[kind][name]), layout(key, name), options);
  }

  if (chart) {
    const select = find("curve");
    for (const [kind, title] of [["scores", "scores"], ["terms", "terms of the losses"]]) {
      const names = Object.keys(data.curves[kind]);
      if (!names.length) continue;
      const choices = names.map((name) => make("option", { value: JSON.stringify([kind, name]) }, name));
      select.append(make("optgroup", { label: title }, ...choices));
    }
    chart.classList.toggle("crowded", methods.length > 12);
    onSelect("curve", showCurve);
    find("bands").addEventListener("change", () => showCurve(select.value));
    // The legend's place depends on the width.
    let was = narrow();
    window.addEventListener("resize", () => {
      if (was !== narrow()) {
        was = narrow();
        showCurve(select.value);
      }
    });
  }

  // --- light and dark ------------------------------------------------------------------------------------------------

  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function recolour() {
    if (!chart) return;
    const { axis, ...rest } = look();
    const change = { ...rest };
    for (const [name, value] of Object.entries(axis)) for (const each of ["xaxis", "yaxis"]) change[`${each}.${name}`] = value;
    Plotly.relayout(chart, change);
  }

  find("theme").addEventListener("click", () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    recolour();
  });
  dark.addEventListener("change", recolour);

  // --- paper ---------------------------------------------------------------------------------------------------------

  let kept = null;
  window.addEventListener("beforeprint", () => {
    if (kept) return;
    // Hundreds of pairs are printed only if the reader has opened them; the matrix says most of it.
    const closed = [...document.querySelectorAll("details:not([open])")].filter((each) => each.querySelectorAll("tr").length <= 100);
    kept = { theme: root.dataset.theme, closed };
    kept.closed.forEach((each) => { each.open = true; });
    root.dataset.theme = "light";
    if (chart) {
      recolour();
      const legend = { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0 };
      const change = { autosize: false, width: 660, height: methods.length > 12 ? 800 : 420 };
      for (const [name, value] of Object.entries(legend)) change[`legend.${name}`] = value;
      Plotly.relayout(chart, change);
    }
  });
  window.addEventListener("afterprint", () => {
    if (!kept) return;
    kept.closed.forEach((each) => { each.open = false; });
    if (kept.theme) root.dataset.theme = kept.theme;
    else delete root.dataset.theme;
    kept = null;
    if (chart) {
      showCurve(find("curve").value);
    }
  });

  // --- small things --------------------------------------------------------------------------------------------------

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const text = button.parentElement.querySelector("pre");
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "copied";
      } catch {
        // Some browsers keep the clipboard from files: the text is selected instead.
        getSelection().selectAllChildren(text);
        button.textContent = "press Ctrl+C";
      }
      setTimeout(() => { button.textContent = "copy"; }, 2000);
    });
  }

  // The contents mark the section that is being read.
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
