// Elements, tables and charts. Texts of the account pass through textContent and Vega's rows alone.

const byId = (id) => document.getElementById(id);
const parsed = (id) => JSON.parse(byId(id).textContent);
const charts = parsed("charts-json");
/** What `prepare` made for each chart. */
const views = {};

/** Returns a new element with children; a text is text, whatever it holds. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Returns a text of the account, which may run from right to left, for the midst of a sentence. */
const quoted = (text) => element("bdi", {}, cut(text, 60));

/** Returns a text of a bearable length. */
function cut(text, length) {
  const letters = [...text];
  return letters.length > length ? `${letters.slice(0, length).join("")}…` : text;
}

/** Fills an element. */
function put(id, ...children) {
  byId(id).replaceChildren(...children);
}

/** Returns a table; the first column names the row. */
function table(caption, columns, rows) {
  const head = columns.map(({ title, kind }) => element("th", { scope: "col", class: kind }, title));
  const body = rows.map((row) => element("tr", {}, ...columns.map(({ key, kind }, at) => {
    const text = String(row.text?.[key] ?? written(kind, row[key]));
    return at ? element("td", { class: kind, dir: "auto" }, text)
      : element("th", { scope: "row", dir: "auto" }, text);
  })));
  return element("table", {}, element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
}

/** Makes the places of a chart and of its table. */
async function prepare(name) {
  const { caption, spec } = charts[name];
  const mount = element("div", { "aria-hidden": "true" });
  const plot = element("div", { class: "plot", role: "img", "aria-label": `Chart: ${caption}. Its figures are in the table that follows.` }, mount);
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `Table: ${caption}` });
  const details = element("details", { class: "rows" }, element("summary", {}, "Figures"), scroll);
  details.open = wide.matches;
  const note = element("p", { class: "small" });
  put(name, element("div", {}, plot, note), details);
  const { view } = await vegaEmbed(mount, spec, {
    actions: false, ast: true, defaultStyle: false, mode: "vega-lite", renderer: "svg", tooltip: showTip,
    logLevel: 1, // errors alone: Vega warns of every chart that has no rows yet
  });
  view.addEventListener("click", (_, item) => item?.datum?.pick && pick(item.datum.pick));
  new ResizeObserver(() => fit(view, plot)).observe(plot);
  views[name] = { view, plot, note, scroll };
}

/** Gives a chart the width of its place. */
function fit(view, plot) {
  const width = plot.clientWidth;
  return width && width !== view.width() ? view.width(width).runAsync() : undefined;
}

/** Shows rows as chart and table; without any the place is hidden. Rows of one name are told apart. */
function show(name, rows, isDrawn = () => true, most = Infinity) {
  byId(name).hidden = !rows.length;
  const { columns, caption, step } = charts[name];
  const seen = new Map();
  for (const [order, row] of rows.entries()) {
    row.order = order;
    const times = (seen.get(row.name) ?? 0) + 1;
    seen.set(row.name, times);
    if (times > 1) row.name += ` (${times})`;
    row.text = Object.fromEntries(columns.map(({ key, kind }) => [key, written(kind, row[key])]));
  }
  const { view, plot, note, scroll } = views[name];
  const drawn = rows.filter(isDrawn);
  const kept = new Set([...drawn].sort((a, b) => weight(b) - weight(a)).slice(0, most));
  plot.hidden = !drawn.length;
  scroll.replaceChildren(table(caption, columns, rows));
  note.textContent = kept.size && kept.size < rows.length ? `The chart shows ${kept.size} of the ${rows.length} in the table.` : "";
  if (step) view.height(step * Math.max(1, kept.size));
  return view.data("rows", drawn.filter((it) => kept.has(it))).runAsync();
}

const weight = (row) => Math.abs(row.contribution ?? row.responses ?? 0);

/** Shows what the pointer is over: the figures of the row, as its table has them. */
function showTip(_, event, __, lines) {
  const tip = byId("tip");
  tip.hidden = !lines;
  if (!lines) return;
  tip.replaceChildren(...Object.entries(lines).map(([title, text]) => element("p", { dir: "auto" },
    element("span", {}, title), element("b", {}, text))));
  const { innerWidth, innerHeight } = window;
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(8, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8))}px`;
}

/** On a wide screen and on paper the tables stand open. */
const wide = window.matchMedia("print, (min-width: 1000px)");

function openTables(open) {
  for (const details of document.querySelectorAll("details.rows")) details.open = open;
}
