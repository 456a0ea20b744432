// The page: editors on one side, what becomes of them on the other, asked again whenever something changes.

import { ask, meta } from "./api.js";
import { exporting, showRule } from "./dialogs.js";
import { byId, count, make } from "./dom.js";
import { editor } from "./editors.js";
import { outcomePanels, sentences } from "./outcome.js";
import { tabs } from "./tabs.js";

const DEBOUNCE = 180; // milliseconds
const LARGEST_FILE = 4 << 20;
const start = JSON.parse(meta("start"));
const patches = start.patches;
let shown = 0; // the patch file in the editor

const status = byId("status");
const announce = (text) => {
  if (status.textContent !== text) status.textContent = text;
};

// -- editors ----------------------------------------------------------------------------------------------------------

const editors = {
  patch: editor(byId("patch-editor"), { label: "Patch", language: "yaml", complete: true, changed: later, dropped: (file) => take(file, "patch"), announce }),
};
const SAMPLES = { domain: "machine", vmi: "machine", cloudInit: "data" }; // what an input's sample is chosen in
const FACTS = "env: {NAME: text}\nfiles: {NAME: text}";
for (const [pane, label, language] of [["domain", "Domain XML", "xml"], ["vmi", "VMI", "yaml"], ["cloudInit", "Cloud-init data", "yaml"], ["facts", "Facts of the pod", "yaml"]]) {
  const changed = (typed) => {
    if (typed) isOwn(pane);
    later();
  };
  const hint = pane === "facts" ? FACTS : "";
  editors[pane] = editor(byId(`panel-${pane}`), { label, language, hint, changed, dropped: (file) => take(file, pane), announce });
}

/** An input that is no sample any more. */
function isOwn(pane) {
  if (SAMPLES[pane]) byId(SAMPLES[pane]).value = "";
}

const input = tabs("input-tabs", (id) => {
  for (const select of ["machine", "data"]) byId(select).hidden = SAMPLES[id.replace("tab-", "")] !== select;
});
input.select("tab-domain");
const outcome = tabs("outcome-tabs");
outcome.select("tab-diff");

function given() {
  const texts = patches.map((one, number) => ({ name: one.name, text: number === shown ? editors.patch.text() : one.text }));
  return { patches: texts, domain: editors.domain.text(), vmi: editors.vmi.text(), cloudInit: editors.cloudInit.text(), facts: editors.facts.text() };
}

function reveal(pane) {
  if (pane !== "patch") input.select(`tab-${pane}`);
}

function go(place) {
  reveal(place.pane);
  if (place.pane === "patch") showFile(patches.findIndex((one) => one.name === place.file));
  if (place.from === null || place.from === undefined) editors[place.pane].view.focus();
  else editors[place.pane].go(place.from, place.to);
}

// -- files ------------------------------------------------------------------------------------------------------------

function showFile(number) {
  if (number < 0 || number === shown) return;
  patches[shown].text = editors.patch.text();
  shown = number;
  byId("file").value = String(number);
  editors.patch.fill(patches[number].text);
}

function listFiles() {
  const select = byId("file");
  select.hidden = patches.length < 2;
  select.replaceChildren(...patches.map((one, number) => make("option", { value: String(number) }, one.name)));
  select.value = String(shown);
}
byId("file").addEventListener("change", (event) => showFile(Number(event.target.value)));

async function take(file, pane) {
  if (file.size > LARGEST_FILE) {
    announce(`${file.name} has ${Math.ceil(file.size / 1048576)} MiB, and ${LARGEST_FILE >> 20} MiB are taken at most.`);
    return;
  }
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    announce(`${file.name} is not text in UTF-8.`);
    return;
  }
  if (pane === "patch") {
    patches[shown].name = patches.some((one, number) => number !== shown && one.name === file.name) ? patches[shown].name : file.name;
    listFiles();
  } else {
    isOwn(pane);
  }
  editors[pane].fill(text);
  announce(`${file.name} is open.`);
}

let opening = "patch";
const chooser = byId("chooser");
for (const button of document.querySelectorAll("[data-open]")) {
  button.addEventListener("click", () => {
    opening = button.dataset.open === "patch" ? "patch" : input.selected().replace("tab-", "");
    chooser.value = "";
    chooser.click();
  });
}
chooser.addEventListener("change", () => chooser.files[0] && take(chooser.files[0], opening));
// a file that misses the editors must not replace the page
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());

// -- samples ----------------------------------------------------------------------------------------------------------

async function sample(name) {
  if (!name) return;
  try {
    const answer = await ask("sample", { name });
    for (const [pane, text] of Object.entries(answer)) editors[pane].fill(text);
  } catch (error) {
    announce(error.message);
  }
}

for (const [id, samples] of [["machine", start.samples.machines], ["data", start.samples.cloudInit]]) {
  const select = byId(id);
  select.append(make("option", { value: "" }, "Your own text"), ...samples.map((one) => make("option", { value: one.name }, one.title)));
  select.addEventListener("change", () => sample(select.value));
}

// -- asking -----------------------------------------------------------------------------------------------------------

let timer = null;
let isAsking = false;
let again = false;
let asked = 0;

function later() {
  clearTimeout(timer);
  timer = setTimeout(run, DEBOUNCE);
}

const panels = outcomePanels({
  marks(edit, of, shows = false) {
    if (!edit) {
      editors.domain.mark([]);
      editors.patch.markLines(0, 0);
      return;
    }
    if (patches[shown].name === edit.file) editors.patch.markLines(edit.from, edit.to, shows);
    else editors.patch.markLines(0, 0);
    if (of !== "domain") {
      editors.domain.mark([]);
      return;
    }
    if (shows) reveal("domain");
    const marked = editors.domain.mark(edit.spots, shows);
    if (shows) announce(marked ? `${count(marked, "node")} marked in the domain.` : "No node of the domain is marked.");
  },
  go,
  rule: showRule,
});

async function run() {
  if (isAsking) {
    again = true;
    return;
  }
  isAsking = true;
  const number = ++asked;
  const texts = given();
  const begun = performance.now();
  document.body.dataset.state = "asking";
  try {
    const answer = await ask("run", texts);
    show(answer, performance.now() - begun);
    document.body.dataset.state = "done";
    document.body.dataset.answers = String(number);
    replay(texts, number);
  } catch (error) {
    document.body.dataset.state = "failed";
    announce(error.message);
  } finally {
    isAsking = false;
    if (again) {
      again = false;
      run();
    }
  }
}

function show(answer, milliseconds) {
  panels.show(answer);
  const placed = answer.findings.filter((one) => one.pane && one.from !== null);
  for (const [pane, one] of Object.entries(editors)) {
    const file = patches[shown].name;
    one.squiggle(placed.filter((found) => found.pane === pane && (pane !== "patch" || found.file === file)), showRule);
  }
  byId("time").textContent = `${Math.round(milliseconds)} ms`;
  announce(summary(answer));
}

function summary(answer) {
  const words = sentences(answer);
  const changed = answer.outcomes.filter((one) => one.state === "patched").flatMap((one) => one.trace).flatMap((patch) => patch.edits);
  if (changed.length) {
    const edits = changed.filter((edit) => edit.changed).length;
    words.unshift(`${count(edits, "edit")} changed ${count(changed.reduce((sum, edit) => sum + edit.changed, 0), "node")}.`);
  }
  for (const [severity, plural] of [["error", "errors"], ["warning", "warnings"], ["advice", "pieces of advice"]]) {
    const found = answer.findings.filter((one) => one.severity === severity).length;
    if (found) words.push(`${count(found, severity === "advice" ? "piece of advice" : severity, plural)}.`);
  }
  return words.join(" ");
}

let replaying = false;
let waiting = null;

async function replay(texts, number) {
  if (replaying) {
    waiting = [texts, number];
    return;
  }
  replaying = true;
  const badge = byId("tab-boot").querySelector(".count");
  badge.textContent = "…";
  badge.className = "count";
  try {
    const answer = await ask("replay", texts);
    if (!waiting) {
      panels.boots(answer);
      document.body.dataset.replays = String(number);
    }
  } catch (error) {
    byId("panel-boot").replaceChildren(make("p", { class: "reason" }, error.message));
    badge.textContent = "";
  } finally {
    replaying = false;
    if (waiting) {
      const next = waiting;
      waiting = null;
      replay(...next);
    }
  }
}

// -- the page ---------------------------------------------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = byId("theme");
function paint(isDark) {
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  theme.setAttribute("aria-pressed", String(isDark));
}
paint(dark.matches);
dark.addEventListener("change", () => paint(dark.matches));
theme.addEventListener("click", () => paint(document.documentElement.dataset.theme !== "dark"));

byId("keys").addEventListener("click", () => byId("keys-dialog").showModal());
for (const link of document.querySelectorAll(".skips a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault(); // so the address keeps the token alone
    byId(link.hash.slice(1)).focus();
  });
}
const PANES = ["patch", "input", "outcome"];
document.addEventListener("keydown", (event) => {
  if (event.key !== "F6" || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  const at = PANES.findIndex((id) => byId(id).contains(document.activeElement));
  const next = PANES[(at + (event.shiftKey ? PANES.length + (at < 0 ? 0 : -1) : 1)) % PANES.length];
  const target = { patch: editors.patch, input: editors[input.selected().replace("tab-", "")] }[next];
  if (target) target.view.focus();
  else byId(outcome.selected()).focus();
});

exporting(given, announce);
listFiles();
editors.patch.fill(patches[0].text);
const [machine] = start.samples.machines;
const [data] = start.samples.cloudInit;
for (const [id, one] of [["machine", machine], ["data", data]]) {
  if (one) {
    byId(id).value = one.name;
    sample(one.name);
  }
}
later();
