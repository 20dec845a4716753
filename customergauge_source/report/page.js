// The page: what is chosen, and what is shown of it. Texts of the account pass through textContent.

/**
 * @typedef {object} Chosen
 * @property {number} from index of the first month
 * @property {number} to index of the last month
 * @property {?string} field the segment to look at
 * @property {number} slice index of the slice to look at; 0 is everybody
 */

/** More rows than this make a chart nobody reads; the table has them all. */
const MOST_ROWS = 25;
const LOWER = { few: "too few scores to tell", same: "no clear change", up: "up", down: "down" };
const SIGNS = { up: "▲", down: "▼", same: "≈", few: "≈" };

const byId = (id) => document.getElementById(id);
const parsed = (id) => JSON.parse(byId(id).textContent);
const charts = parsed("charts-json");
const data = parsed("data-json");
const last = data.months.length - 1;
const fields = [...new Set(data.slices.slice(1).map((it) => it.field))];
const views = {};
/** @type {Chosen} */
let chosen = everything();
/** The cells of each kind, by slice. @type {Object<string, number[][][]>} */
let cells;

function everything() {
  return { from: 0, to: last, field: fields[0] ?? null, slice: 0 };
}

/** Returns the packed cells, by kind and slice; they come as columns, which pack best. */
async function unpacked() {
  const bytes = Uint8Array.from(atob(byId("cells-packed").textContent), (it) => it.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const found = JSON.parse(await new Response(stream).text());
  return Object.fromEntries(Object.entries(found).map(([kind, columns]) => {
    const slices = data.slices.map(() => []);
    for (const [at, slice] of (columns[0] ?? []).entries()) slices[slice].push(columns.map((it) => it[at]));
    return [kind, slices];
  }));
}

/** Returns the cells of a slice in a span of months; the whole span has those without a date, too. */
function picked(kind, slice = chosen.slice, from = chosen.from, to = chosen.to) {
  if (from === 0 && to === last) return cells[kind][slice];
  return cells[kind][slice].filter((row) => row[1] >= from && row[1] <= to);
}

// ---- Elements ----

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

// ---- Charts ----

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
  fit(view, plot);
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

// ---- Sections ----

const counted = (count, what) => `${written("count", count)} ${what}${count === 1 ? "" : "s"}`;
const text = { signed: (it) => written("signed", it), count: (it) => written("count", it) };
const NO_SCORES = "No scores in this selection.";

function showNow(all) {
  put("nps", text.signed(all.nps));
  put("margin", all.nps === null ? "" : written("margin", all.margin));
  put("span", last < 0 ? "" : `, ${spanName(chosen.from, chosen.to)}`);
  put("now-lead", all.nps === null ? NO_SCORES
    : `from ${counted(all.scored, "score")}` + (all.few ? ": too few for a firm figure." : "."));
  put("portal", all.nps === null ? "" : `CustomerGauge’s NPS Summary shows ${text.signed(all.portal)} for the `
    + `same customers: it divides by all responses (${text.count(all.responses)}), this page by those `
    + `with a score (${text.count(all.scored)}).`);
  byId("groups").hidden = !all.scored;
  const groups = ["promoters", "passives", "detractors"];
  const parts = groups.map((group) => element("div", { class: group }));
  for (const [at, group] of groups.entries()) parts[at].style.flexGrow = String(all[group]);
  put("groups", element("div", { class: "split", "aria-hidden": "true" }, ...parts),
    element("dl", {}, ...groups.map((group) => element("div", { class: group },
      element("dt", {}, group[0].toUpperCase() + group.slice(1)),
      element("dd", {}, element("b", {}, written("percent", ratio(all[group], all.scored))),
        " ", element("small", {}, text.count(all[group])))))));
  showChange();
}

/** Compares the last full months that are chosen with as many before them. */
function showChange() {
  const full = data.months.map((it, at) => at)
    .filter((at) => at >= chosen.from && at <= chosen.to && isFull(data.months[at], data));
  const length = full.length >= 3 ? 3 : 1;
  const to = full.at(-1);
  const from = to - length + 1;
  if (!full.length || from - length < 0) {
    return put("change", element("p", { class: "verdict" }, "Nothing to compare with"),
      element("p", {}, "There are no full months to compare in this selection."));
  }
  const [now, before] = [[from, to], [from - length, from - 1]].map((span) => (
    { span, ...tally(picked("scores", chosen.slice, ...span)) }));
  const { word, difference, margin } = compared(now, before);
  const verdict = LOWER[word] ?? "nothing to compare with";
  const line = (what, value, spread, count) => element("div", {}, element("dt", {}, what), element("dd", {},
    element("b", {}, text.signed(value)), spread === null ? "" : ` ${written("margin", spread)}`,
    count === undefined ? "" : element("small", {}, counted(count, "score"))));
  const lines = [now, before].map((it) => line(spanName(...it.span), it.nps, it.margin, it.scored));
  if (difference !== undefined) lines.push(line("Difference", difference, margin));
  return put("change",
    element("p", { class: `verdict ${word}` }, element("span", { "aria-hidden": "true" }, SIGNS[word] ?? ""),
      ` ${verdict[0].toUpperCase()}${verdict.slice(1)}`),
    element("dl", {}, ...lines));
}

function spanName(from, to) {
  const [first, final] = [monthName(data.months[from]), monthName(data.months[to])];
  if (from === to) return first;
  return `${first.slice(-4) === final.slice(-4) ? first.slice(0, 3) : first} to ${final}`;
}

function showMonths() {
  const rows = data.months.slice(chosen.from, chosen.to + 1).map((month, at) => {
    const index = chosen.from + at;
    return { name: monthName(month), date: `${month}-01`, pick: { month: index },
      ...tally(cells.scores[chosen.slice].filter((row) => row[1] === index)) };
  });
  const empty = rows.filter((it) => it.nps === null).length;
  put("months-lead", rows.length > empty
    ? "The band is the margin of each month. Choose a month in the chart to see it alone."
      + (empty ? ` Months without a score: ${empty}.` : "")
    : NO_SCORES);
  return show("months", rows.length > empty ? rows : []);
}

function showScores(all) {
  const rows = all.scores.map((responses, at) => ({
    name: String(at), responses, share: ratio(responses, all.scored),
    group: at > 8 ? "Promoters" : at > 6 ? "Passives" : "Detractors",
    label: responses ? written("count", responses) : "",
  }));
  const without = all.responses - all.scored;
  put("scores-lead", all.scored ? "Promoters gave 9 or 10, passives 7 or 8, detractors 6 or less."
    + (without ? ` ${text.count(without)} more responses have no score.` : "") : NO_SCORES);
  return show("scores", all.scored ? rows : []);
}

function showSegments(everybody) {
  byId("by-segment").hidden = !fields.length;
  if (!fields.length) return undefined;
  const rows = data.slices
    .map((slice, at) => ({ slice, at }))
    .filter(({ slice, at }) => at && slice.field === chosen.field)
    .map(({ slice, at }) => ({
      name: named(slice.value, "(none)"), pick: { slice: at }, overall: everybody.nps,
      chosen: !chosen.slice || chosen.slice === at, ...tally(picked("scores", at)),
    }))
    .filter((it) => it.responses)
    .sort((a, b) => (b.nps ?? -101) - (a.nps ?? -101) || b.responses - a.responses);
  const scored = rows.filter((it) => it.nps !== null).length;
  put("segments-lead", ...(scored ? [quoted(chosen.field), ": each point is an NPS, its line the margin; the "
    + `dashed line is everybody (${text.signed(everybody.nps)}). Hollow points have fewer than ${FEW} scores. `
    + "Choose a row to see it alone; another segment is chosen at the top."] : [NO_SCORES]));
  return show("segments", rows, (it) => it.nps !== null, MOST_ROWS);
}

function showDrivers(all) {
  const rows = driverRows(picked("driver_cells"), data.drivers, all.scored);
  const given = rows.filter((it) => it.isGiven);
  const [best, worst] = [given[0], given.at(-1)];
  if (!all.scored || !rows.length) {
    put("drivers-lead", all.scored ? "No drivers in this selection." : NO_SCORES);
    return show("drivers", []);
  }
  const parts = [];
  if (best?.contribution > 0) parts.push(" Most is added by ", quoted(best.name), ` (${text.signed(best.contribution)})`);
  if (worst?.contribution < 0) parts.push(parts.length ? ", most taken by " : " Most is taken by ", quoted(worst.name), ` (${text.signed(worst.contribution)})`);
  put("drivers-lead", "In points of NPS: the bars add up to ", element("b", {}, text.signed(all.nps)), ".",
    ...parts, parts.length ? "." : "");
  return show("drivers", rows, () => true, MOST_ROWS);
}

function showTopics() {
  const rows = topicRows(picked("topic_cells"), data.topics);
  const rated = rows.filter((it) => it.rated);
  const without = rows.length - rated.length;
  put("topics-lead", rows.length ? "Mentions by sentiment, those in between around the middle; at the right the "
    + "net sentiment, from −100 to +100." + (without ? ` Without any sentiment, so in the table alone: ${without}.` : "")
    : "No topics in this selection.");
  return show("topics", rows, (it) => it.rated, MOST_ROWS);
}

function showQuestions() {
  const rows = questionRows(picked("question_cells"), data.questions);
  put("questions-lead", rows.length ? "The point is the average, the line goes from the lowest to the highest "
    + "answer. Answers that are no numbers are counted in the table." : "No answers in this selection.");
  return show("questions", rows, (it) => it.numeric, MOST_ROWS);
}

function showRate() {
  if (!data.rate) {
    put("rate-lead", "Not loaded: it comes with the resource non_responses.");
    return show("rate", []);
  }
  const rows = data.rate
    .filter(([month]) => month < 0 ? chosen.to === last && !chosen.from : month >= chosen.from && month <= chosen.to)
    .map(([month, delivered, responded]) => ({
      name: month < 0 ? "(no date)" : monthName(data.months[month]),
      date: month < 0 ? null : `${data.months[month]}-01`,
      delivered, responded, rate: ratio(responded, delivered),
      ...(month < 0 ? {} : { pick: { month } }),
    }));
  const [delivered, responded] = ["delivered", "responded"].map((key) => rows.reduce((sum, it) => sum + it[key], 0));
  put("rate-lead", rows.length ? `${written("percent", ratio(responded, delivered))}: ${text.count(responded)} answers to `
    + `${text.count(delivered)} delivered surveys. Everybody: the filter by segment does not apply here.`
    : "No survey was delivered in this selection.");
  return show("rate", rows, (it) => it.date);
}

function showCases() {
  const rows = (data.cases ?? []).map((it) => ({ ...it, name: named(it.status, "(none)") }));
  put("cases-lead", !data.cases ? "Not loaded: they come with the resource close_loop."
    : rows.length ? "All cases, as they stand now: the filters do not apply here." : "There are no cases.");
  return show("cases", rows);
}

function showComments() {
  const found = data.comments ?? [];
  put("comments-lead", !data.comments ? `Not shown: ${data.comments_why ?? "not loaded"}.`
    : found.length ? "The latest comments with a score of 6 or less: the filters do not apply here."
      : "No detractor has left a comment.");
  put("comments", ...found.map((it) => {
    const about = [it.date, it.account, `response ${it.number_customergauge}`].filter((part) => part);
    const spoken = /^[a-z]{2}$/i.test(it.language ?? "") ? { lang: it.language.toLowerCase() } : {};
    return element("li", {},
      element("b", { class: "badge" }, element("span", { class: "hidden" }, "Score "), String(it.score)),
      element("p", { dir: "auto", ...spoken }, cut(it.comment, 700)),
      element("p", { class: "small" }, ...about.flatMap((part, at) => [at ? " · " : "", element("bdi", {}, part)])));
  }));
}

function showHealth() {
  const { health } = data;
  const tiles = {
    "Last load": health.last_load ?? "never", Loads: text.count(health.loads), Responses: text.count(health.responses),
    "Without a score": text.count(health.without_score), "Without a date": text.count(health.without_date),
    "Removed since": text.count(health.deleted),
  };
  put("health", ...Object.entries(tiles).map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, value))));
  const list = (items) => items.flatMap((it, at) => [at ? ", " : "", quoted(it)]);
  const notes = [
    health.gaps.length ? ["Months without a response: ", ...list(health.gaps.map(monthName)), "."] : [],
    data.hashed.length ? ["Hashed by the privacy policy, so not shown as names: ", ...list(data.hashed), "."] : [],
    data.left_out.length ? ["Segments with too many values to show: ",
      ...list(data.left_out.map((it) => `${it.field} (${text.count(it.values)})`)), "."] : [],
    [`The filters do not apply here. Months are those of ${data.timezone}.`],
  ];
  put("health-notes", ...notes.filter((it) => it.length).map((it) => element("p", {}, ...it)));
  const column = (key, title, kind = "text") => ({ key, title, kind });
  const tables = [
    ["Rows by table", [column("table", "Table"), column("rows", "Rows", "count")],
      Object.entries(health.tables).map(([name, rows]) => ({ table: name, rows }))],
    ["Rejected values", [column("field", "Field"), column("reason", "Reason"), column("values", "Values", "count")],
      health.rejected_values],
    ["Rejected records", [column("reason", "Reason"), column("records", "Records", "count")], health.rejected_records],
  ];
  put("health-tables", ...tables.map(([caption, columns, rows]) => rows.length ? table(caption, columns, rows)
    : element("p", {}, `${caption}: none.`)));
}

// ---- Choosing ----

/** Takes a click on a mark: a month or a slice, or everything again if that was chosen already. */
function pick({ month, slice }) {
  if (month !== undefined) {
    const again = chosen.from === month && chosen.to === month;
    choose(again ? { from: 0, to: last } : { from: month, to: month });
  } else {
    choose({ slice: chosen.slice === slice ? 0 : slice });
  }
}

/** Chooses, and shows everything that follows from it. */
async function choose(changes) {
  const started = performance.now();
  chosen = { ...chosen, ...changes };
  showFilters();
  const all = tally(picked("scores"));
  const everybody = chosen.slice ? tally(picked("scores", 0)) : all;
  showNow(all);
  const drawing = [showMonths(), showScores(all), showSegments(everybody), showDrivers(all), showTopics(),
    showQuestions(), showRate()];
  document.documentElement.dataset.milliseconds = (performance.now() - started).toFixed(0);
  await Promise.all(drawing);
  document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn ?? 0) + 1);
}

const option = (value, label) => element("option", { value: String(value) }, cut(label, 60));

/** Fills what can be chosen once and for all. */
function fillFilters() {
  for (const id of ["from", "to"]) {
    put(id, ...data.months.map((it, at) => option(at, monthName(it))));
    byId(id).disabled = last < 1;
  }
  put("field", ...fields.map((it) => option(it, it)));
  for (const label of document.querySelectorAll(".segment")) label.hidden = !fields.length;
  byId("filters").hidden = last < 0 && !fields.length;
}

function showFilters() {
  put("value", option(0, "Everybody"), ...data.slices
    .map((it, at) => [it, at])
    .filter(([it, at]) => at && it.field === chosen.field)
    .map(([it, at]) => option(at, named(it.value, "(none)"))));
  for (const id of ["from", "to", "field"]) byId(id).value = String(chosen[id]);
  byId("value").value = String(chosen.slice);
  showState();
}

/** Says in words what is shown. */
function showState() {
  const { responses } = tally(picked("scores"));
  const undated = picked("scores").filter((row) => row[1] < 0).reduce((sum, row) => sum + row[3], 0);
  const slice = data.slices[chosen.slice];
  put("state", element("b", {}, counted(responses, "response")),
    last < 0 ? "" : `, ${spanName(chosen.from, chosen.to)}`,
    undated ? ` (${text.count(undated)} without a date included)` : "", ", ",
    ...(chosen.slice ? [quoted(slice.field), " = ", quoted(named(slice.value, "(none)"))] : ["everybody"]));
}

function listen() {
  byId("from").onchange = ({ target }) => choose({ from: +target.value, to: Math.max(+target.value, chosen.to) });
  byId("to").onchange = ({ target }) => choose({ to: +target.value, from: Math.min(+target.value, chosen.from) });
  byId("field").onchange = ({ target }) => choose({ field: target.value, slice: 0 });
  byId("value").onchange = ({ target }) => choose({ slice: +target.value });
  byId("reset").onclick = () => choose(everything());
  wide.onchange = () => openTables(wide.matches);
  // On a phone the filters scroll away and what is chosen stays in sight.
  new ResizeObserver(() => byId("bar").style.setProperty("--tuck", `${-byId("state").offsetTop}px`)).observe(byId("filters"));
}

/** On a wide screen and on paper the tables stand open. */
const wide = window.matchMedia("print, (min-width: 1000px)");
function openTables(open) {
  for (const details of document.querySelectorAll("details.rows")) details.open = open;
}

async function start() {
  put("made", "Dataset ", quoted(data.dataset), ` in ${data.destination}, made ${data.made_at}`);
  cells = await unpacked();
  await Promise.all(Object.keys(charts).map(prepare));
  fillFilters();
  listen();
  showComments();
  showHealth();
  await Promise.all([showCases(), choose({})]);
}

start().catch((error) => {
  put("state", "This browser cannot show the report: it needs one of the last three years.");
  throw error;
});
