// The sections, in the order of the page: rows for charts and tables, and what they say in words.

/** More rows than this make a chart nobody reads; the table has them all. */
const MOST_ROWS = 25;
const LOWER = { few: "too few scores to tell", same: "no clear change", up: "up", down: "down" };
const SIGNS = { up: "▲", down: "▼", same: "≈", few: "≈" };
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
  const to = full.at(-1);
  // As many months as there are before them, three at best.
  const length = [3, 1].find((it) => full.length >= it && to - 2 * it + 1 >= 0
    && isFull(data.months[to - 2 * it + 1], data));
  if (!length) {
    return put("change", element("p", { class: "verdict" }, "Nothing to compare with"),
      element("p", {}, full.length ? "No full month lies before the last one that is chosen."
        : "There is no full month in this selection."));
  }
  const from = to - length + 1;
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
  return show("months", rows.length > empty ? rows.reverse() : []);  // the latest first
}

function showScores(all) {
  const rows = all.scores.map((responses, at) => ({
    name: String(at), responses, share: ratio(responses, all.scored),
    group: at > 8 ? "Promoters" : at > 6 ? "Passives" : "Detractors",
    label: responses ? written("count", responses) : "",
  }));
  const without = all.responses - all.scored;
  const beyond = all.scored - all.promoters - all.passives - all.detractors;
  put("scores-lead", all.scored ? "Promoters gave 9 or 10, passives 7 or 8, detractors 6 or less."
    + (beyond ? ` ${text.count(beyond)} more responses have a score outside of 0 to 10.` : "")
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
  const isWhole = chosen.to === last && !chosen.from;
  const [from, to] = [data.months[chosen.from], data.months[chosen.to]];
  const rows = data.rate
    .filter(([month]) => isWhole || (month && month >= from && month <= to))
    .map(([month, delivered, responded]) => ({
      name: month ? monthName(month) : "(no date)",
      date: month && `${month}-01`,
      delivered, responded, rate: ratio(responded, delivered),
      // A survey may have been sent in a month in which nothing was answered.
      ...(data.months.includes(month) ? { pick: { month: data.months.indexOf(month) } } : {}),
    }));
  const [delivered, responded] = ["delivered", "responded"].map((key) => rows.reduce((sum, it) => sum + it[key], 0));
  put("rate-lead", rows.length ? `${written("percent", ratio(responded, delivered))}: ${text.count(responded)} answers to `
    + `${text.count(delivered)} delivered surveys. Everybody: the filter by segment does not apply here.`
    : "No survey was delivered in this selection.");
  return show("rate", rows.reverse(), (it) => it.date);
}

function showCases() {
  const rows = (data.cases ?? []).map((it) => ({ ...it, name: named(it.status, "(none)") }));
  put("cases-lead", !data.cases ? "Not loaded: they come with the resource close_loop."
    : rows.length ? "All cases, as they stand now: the filters do not apply here." : "There are no cases.");
  return show("cases", rows);
}

function showComments() {
  const found = data.comments ?? [];
  put("comments-lead", !data.comments ? `Not shown: ${data.comments_why}.`
    : found.length ? "The latest comments with a score of 6 or less: the filters do not apply here."
      : "No detractor has left a comment.");
  put("comments", ...found.map((it) => {
    const about = [it.date, it.account, `response ${it.number_customergauge}`].filter((part) => part);
    const spoken = /^[a-z]{2}$/i.test(it.language ?? "") ? { lang: it.language.toLowerCase() } : {};
    return element("li", {},
      element("b", { class: "badge" }, element("span", { class: "hidden" }, "Score "), String(it.score)),
      element("p", { dir: "auto", ...spoken }, it.comment),
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
  const left = (what, found) => (found.length ? [`${what}: `, ...list(found), "."] : []);
  const notes = [
    health.gaps.length ? ["Months without a response: ", ...list(health.gaps.map(monthName)), "."] : [],
    data.hashed.length ? ["Hashed by the privacy policy, so not shown as names: ", ...list(data.hashed), "."] : [],
    left("Dropped by the privacy policy, so missing everywhere", data.dropped),
    left("Values of segments that are not shown, as there are too many", data.left_out.values),
    left("Segments that cannot be chosen, as there are too many", data.left_out.segments),
    left("Not shown, as others are more frequent", data.left_out.items),
    [`The filters do not apply here. Months are those of ${data.timezone}.`],
  ];
  put("health-notes", ...notes.filter((it) => it.length).map((it) => element("p", {}, ...it)));
  const column = (key, title, kind = "text") => ({ key, title, kind });
  const tables = [
    ["Rows by table", [column("table", "Table"), column("rows", "Rows", "count")],
      Object.entries(health.tables).map(([name, rows]) => ({ table: name, rows }))],
    ["Rejected values", [column("field", "Field"), column("reason", "Reason"), column("values", "Values", "count")],
      health.rejected_values],
    ["Rejected records", [column("resource", "Resource"), column("reason", "Reason"), column("records", "Records", "count")], health.rejected_records],
  ];
  put("health-tables", ...tables.map(([caption, columns, rows]) => rows.length ? table(caption, columns, rows)
    : element("p", {}, `${caption}: none.`)));
}
