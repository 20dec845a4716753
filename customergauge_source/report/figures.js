"use strict";
// Sums and figures: counts in, rows out. Nothing here knows the page.

/** Fewer scores than this say little, and their margin is itself unsure. */
const FEW = 30;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const whole = new Intl.NumberFormat("en");
const decimal = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const one = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** How a figure is written, by the kind of its column. */
const FORMATS = {
  text: (value) => value,
  count: (value) => whole.format(value),
  number: (value) => decimal.format(value).replace("-", "−"),
  margin: (value) => `± ${one.format(value)}`,
  percent: (value) => `${one.format(100 * value)}%`,
  signed: (value) => {
    const text = one.format(Math.abs(value));
    if (text === "0.0") return text;
    return (value < 0 ? "−" : "+") + text;
  },
};

/** Returns a figure as a person reads it; an unknown one is a dash. */
function written(kind, value) {
  return value === null || value === undefined ? "–" : FORMATS[kind](value);
}

/** Returns "May 2025" for "2025-05". */
function monthName(month) {
  return `${MONTHS[Number(month.slice(5, 7)) - 1]} ${month.slice(0, 4)}`;
}

/** Returns a quotient, or null where nothing divides. */
function ratio(above, below) {
  return below ? above / below : null;
}

/** Returns a name that is never empty, for texts of the account. */
function named(text, none) {
  if (text === null) return none;
  return text.trim() === "" ? "(empty)" : text;
}

/**
 * Returns the NPS of score rows and all that belongs to it.
 * A score that is none of 0 to 10 is one of no group.
 * @param {number[][]} rows [slice, month, score or null, responses]
 */
function tally(rows) {
  const scores = new Array(11).fill(0);
  let [responses, scored] = [0, 0];
  for (const [, , score, count] of rows) {
    responses += count;
    if (score !== null) scored += count;
    if (score in scores) scores[score] += count;
  }
  const sum = (from, to) => scores.slice(from, to + 1).reduce((all, it) => all + it, 0);
  return { responses, scores, ...score(sum(9, 10), sum(7, 8), sum(0, 6), scored, responses) };
}

/** Returns the NPS of three groups, its margin, and the NPS over all responses as the portal has it. */
function score(promoters, passives, detractors, scored, responses) {
  const groups = { promoters, passives, detractors, scored, few: scored < FEW };
  if (!scored) {
    return { ...groups, nps: null, margin: null, low: null, high: null, portal: ratio(0, responses) };
  }
  const lead = (promoters - detractors) / scored;
  const spread = Math.max(0, (promoters + detractors) / scored - lead * lead);
  const margin = 196 * Math.sqrt(spread / scored);
  const nps = 100 * lead;
  const [low, high] = [Math.max(-100, nps - margin), Math.min(100, nps + margin)];
  const portal = 100 * ratio(promoters - detractors, responses);
  return { ...groups, nps, margin, low, high, portal };
}

/** Returns what an NPS did from one period to the next: the difference, its margin, and a word. */
function compared(now, before) {
  if (now.nps === null || before.nps === null) return { word: "nothing" };
  const difference = now.nps - before.nps;
  const margin = Math.hypot(now.margin, before.margin);
  if (now.few || before.few) return { difference, margin, word: "few" };
  if (Math.abs(difference) <= margin) return { difference, margin, word: "same" };
  return { difference, margin, word: difference > 0 ? "up" : "down" };
}

/** Returns the sums of rows by the value at `key`: a map of it to the summed columns behind it. */
function summed(rows, key) {
  const sums = new Map();
  for (const row of rows) {
    const known = sums.get(row[key]);
    if (!known) sums.set(row[key], row.slice(key + 1));
    else for (let at = 0; at < known.length; at++) known[at] += row[key + 1 + at];
  }
  return sums;
}

/** Returns the rows of `drivers`, from what adds most to what takes most. */
function driverRows(rows, names, scored) {
  return [...summed(rows, 2)]
    .map(([driver, [responses, promoters, passives, detractors, share]]) => ({
      name: named(names[driver], "(none given)"),
      isGiven: names[driver] !== null,
      contribution: scored ? (100 * share) / scored : null,
      responses, promoters, passives, detractors,
    }))
    .sort((a, b) => b.contribution - a.contribution || b.responses - a.responses);
}

/** Returns the rows of `topics`, those that most talk about first; `parts` are the pieces of a bar. */
function topicRows(rows, topics) {
  const labels = topics.map((it) => it.label);
  const twice = new Set(labels.filter((it, at) => labels.indexOf(it) !== at));
  return [...summed(rows, 2)]
    .map(([topic, [responses, positive, neutral, mixed, negative, without]]) => {
      const { label, type } = topics[topic];
      const name = named(label, "(none)") + (twice.has(label) ? ` · ${named(type, "none")}` : "");
      const rated = positive + neutral + mixed + negative;
      const net = rated ? (100 * (positive - negative)) / rated : null;
      let end = -negative - (mixed + neutral) / 2;
      const parts = Object.entries({ Negative: negative, Mixed: mixed, Neutral: neutral, Positive: positive })
        .map(([sentiment, count]) => ({ sentiment, start: end, end: (end += count) }));
      return { name, net, responses, positive, neutral, mixed, negative, without, rated, parts };
    })
    .sort((a, b) => b.responses - a.responses);
}

/** Returns the rows of `questions`, in the order of the data. */
function questionRows(rows, titles) {
  const found = new Map();
  for (const [, , question, answers, numeric, sum, low, high] of rows) {
    const it = found.get(question) ?? { question, answers: 0, numeric: 0, sum: 0, lowest: null, highest: null };
    found.set(question, it);
    it.answers += answers;
    if (!numeric) continue;
    it.numeric += numeric;
    it.sum += sum;
    it.lowest = Math.min(it.lowest ?? low, low);
    it.highest = Math.max(it.highest ?? high, high);
  }
  return [...found.values()]
    .sort((a, b) => a.question - b.question)
    .map((it) => ({ ...it, name: named(titles[it.question], "(no title)"), average: ratio(it.sum, it.numeric) }));
}

/** Returns whether all days of a month lie before the page was made and in the span that was read. */
function isFull(month, data) {
  const [year, number] = month.split("-").map(Number);
  const last = `${month}-${new Date(Date.UTC(year, number, 0)).getUTCDate()}`;
  const { start, end } = data.span;
  return month < data.made_at.slice(0, 7) && (!start || start <= `${month}-01`) && (!end || last <= end);
}
