// The page: its data, what is chosen of it, and the filters.

/**
 * @typedef {object} Chosen
 * @property {number} from index of the first month
 * @property {number} to index of the last month
 * @property {?string} field the segment to look at
 * @property {number} slice index of the slice to look at; 0 is everybody
 */

const data = parsed("data-json");
const last = data.months.length - 1;
const fields = [...new Set(data.slices.slice(1).map((it) => it.field))];
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
  put("field", ...fields.map((it) => option(it, named(it, "(none)"))));
  for (const label of document.querySelectorAll(".segment")) label.hidden = !fields.length;
  byId("filters").hidden = last < 0 && !fields.length;
}

function showFilters() {
  put("value", option(0, "Everybody"), ...data.slices
    .map((it, at) => [it, at])
    .filter(([it, at]) => it.field === chosen.field && cells.scores[at]?.length)
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

/** Returns which answers were read at all, if not all were. */
function bounds() {
  const { start, end } = data.span;
  if (!start && !end) return "";
  return `. Answers ${[start && `from ${start}`, end && `to ${end}`].filter((it) => it).join(" ")} alone`;
}

async function start() {
  put("made", "Dataset ", quoted(data.dataset), ` in ${data.destination}, made ${data.made_at}${bounds()}`);
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
