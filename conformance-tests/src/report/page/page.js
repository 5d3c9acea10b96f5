"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const marks = { pass: "✓", nonstrict: "≈", fail: "✗", unimplemented: "–", blocked: "▪", inconclusive: "?", error: "!" };
const levels = ["must", "should", "may"];
const profiles = { base: "the protocol", cometd: "CometD's habits", faye: "Faye's habits", hardened: "hardening" };
const origins = { published: "the published text of Bayeux says so", added: "this project added it; the published text does not say so" };
const roles = ["server", "client"].filter((role) => data.results.some((result) => result.role === role));

function element(name, attributes = {}, ...children) {
  const node = Object.assign(document.createElement(name), attributes);
  node.append(...children);
  return node;
}

/** One row a case and transport, in the order of the first result that has it. */
function rowsOf(results) {
  const rows = new Map();
  results.forEach((result, column) => {
    for (const found of result.cases) {
      if (!rows.has(found.id)) rows.set(found.id, { case: found, cells: [] });
      rows.get(found.id).cells[column] = found;
    }
  });
  return [...rows.values()];
}

function totals() {
  const byProfile = chosen("profiles");
  document.getElementById("totals").replaceChildren();
  for (const result of columns) {
    const box = element("div", { className: "total" }, element("h2", { textContent: result.name }));
    box.append(element("p", { textContent: result.capabilities.join(", ") }));
    for (const level of levels) {
      const bar = element("div");
      for (const verdict of Object.keys(marks)) {
        const count = result.cases.filter((found) => found.level === level && found.verdict === verdict && byProfile.has(found.profile)).length;
        if (!count) continue;
        const part = element("span", { className: verdict, title: `${count} ${verdict}`, textContent: count });
        part.style.flexGrow = count;
        bar.append(part);
      }
      box.append(element("div", { className: "bar" }, level, bar));
    }
    document.getElementById("totals").append(box);
  }
}

/** Boxes to tick, or where only one can be chosen, the first is. Nothing to choose is not shown. */
function choices(id, names, type = "checkbox", say = (name) => name) {
  const fieldset = document.getElementById(id);
  fieldset.hidden = names.length < 2;
  for (const name of names) {
    const box = element("input", { type, name: id, value: name, checked: type === "checkbox" || name === names[0] });
    fieldset.append(element("label", {}, box, " ", say(name)));
  }
}

function chosen(id) {
  return new Set([...document.querySelectorAll(`#${id} input:checked`)].map((box) => box.value));
}

function cell(found) {
  if (!found) return element("td");
  const word = element("span", { className: "word", textContent: ` ${found.verdict}` });
  const button = element("button", { className: found.verdict, title: found.verdict, type: "button" }, marks[found.verdict], word);
  button.addEventListener("click", () => show(found));
  return element("td", {}, button);
}

/** Whether a requirement is in the published text or was added by this project; both for a case with clauses of either kind. */
function marksOf(origin) {
  return origin.split(", ").filter(Boolean).map((word) => element("span", { className: `origin ${word}`, title: origins[word], textContent: word }));
}

function draw() {
  const words = document.getElementById("search").value.toLowerCase();
  const [byLevel, byVerdict, byProfile] = [chosen("levels"), chosen("verdicts"), chosen("profiles")];
  const body = document.querySelector("#matrix tbody");
  body.replaceChildren();
  let group = "";
  let count = 0;
  for (const row of rows) {
    const { id, title, level, profile, origin, clauses } = row.case;
    const text = `${id} ${title} ${clauses.join(" ")}`.toLowerCase();
    const fits = row.cells.some((found) => found && byVerdict.has(found.verdict));
    if (!text.includes(words) || !byLevel.has(level) || !byProfile.has(profile) || !fits) continue;
    const name = id.split("-")[0];
    if (name !== group) {
      group = name;
      const heading = element("th", { colSpan: columns.length + 1, textContent: data.groups[name] ?? name });
      body.append(element("tr", { className: "group" }, heading));
    }
    const head = element("th", { scope: "row" }, element("code", { textContent: id }),
      element("span", { className: "level", textContent: profile === "base" ? level : `${level}, ${profile}` }),
      ...marksOf(origin), element("div", { textContent: title }));
    body.append(element("tr", {}, head, ...columns.map((_, column) => cell(row.cells[column]))));
    count += 1;
  }
  document.getElementById("shown").textContent = `${count} of ${rows.length} rows`;
}

/** Text in which backquotes are around what stands in a message. */
function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", { textContent: part }) : part));
}

function show(found) {
  const body = document.getElementById("detail-body");
  body.replaceChildren(element("h2", { id: "detail-title", textContent: `${found.id}: ${found.title}` }),
    element("p", {}, element("span", { className: found.verdict, textContent: `${marks[found.verdict]} ${found.verdict}` }),
      ` · ${found.level} · ${found.profile} · ${found.ms} ms`));
  for (const clause of found.clauses) {
    const { text = "", origin = "" } = data.clauses[clause] ?? {};
    body.append(element("blockquote", {}, element("strong", { textContent: clause }), ...marksOf(origin), ...prose(` ${text}`)));
  }
  if (found.why) body.append(element("p", { textContent: found.why }));
  if (found.reason) body.append(element("pre", { className: "reason", textContent: found.reason }));
  if (found.transcript.length) body.append(element("h3", { textContent: "On the wire" }));
  for (const entry of found.transcript) {
    const where = entry.connection ? `${entry.who}, connection ${entry.connection}` : entry.who;
    if (!entry.who) {
      body.append(element("p", { className: "gap", textContent: entry.text }));
      continue;
    }
    body.append(element("div", { className: `wire ${entry.direction}` },
      element("p", { textContent: `${(entry.ms / 1000).toFixed(3)} s · ${where} · ${entry.direction}` }),
      element("pre", { textContent: entry.text })));
  }
  document.getElementById("detail").showModal();
}

/** The columns and rows of one role. */
function choose(role) {
  columns = data.results.filter((result) => result.role === role);
  rows = rowsOf(columns);
  document.querySelector("#matrix thead").replaceChildren(element("tr", {}, element("th", { scope: "col", textContent: "Case" }),
    ...columns.map((result) => element("th", { scope: "col" }, element("span", { textContent: result.name })))));
  totals();
  draw();
}

let columns = data.results;
let rows = rowsOf(columns);
document.getElementById("about").textContent = data.about;
choices("roles", roles, "radio", (role) => `${role}s`);
choices("profiles", Object.keys(profiles).filter((profile) => rows.some((row) => row.case.profile === profile)), "checkbox", (profile) => profiles[profile]);
choices("levels", levels.filter((level) => rows.some((row) => row.case.level === level)));
choices("verdicts", Object.keys(marks).filter((verdict) => rows.some((row) => row.cells.some((found) => found?.verdict === verdict))));
document.getElementById("roles").addEventListener("input", (event) => choose(event.target.value));
document.getElementById("profiles").addEventListener("input", totals);
document.getElementById("filters").addEventListener("input", draw);
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("detail").addEventListener("click", (event) => {
  if (event.target === event.currentTarget) event.currentTarget.close();
});
choose(roles[0]);
