// The panels of the outcome: diff, trace, boot replay, findings.

import { byId, count, make, rove } from "./dom.js";
import { diffView } from "./editors.js";
import { inline } from "./markdown.js";

const NAMES = { domain: "domain", cloudInit: "cloud-init data", patch: "patch", vmi: "VMI", facts: "facts" };
const LONGEST_PRE = 2000;

/** `marks(edit, of)` shows the nodes of an edit, `go(place)` a place in a text, `rule(id)` the page of a rule. */
export function outcomePanels({ marks, go, rule }) {
  const diffPanel = byId("panel-diff");
  const said = make("div", { class: "said" });
  const diffs = make("div", { class: "editor diff" });
  diffPanel.append(said, diffs);
  const showDiff = diffView(diffs);
  const trace = byId("panel-trace");
  const boot = byId("panel-boot");
  const list = byId("panel-findings");
  const settle = [rove(trace, ".edit"), rove(boot, "summary"), rove(list, ".finding")];
  let chosen = null;

  function diff(answer) {
    const there = answer.outcomes.filter((one) => one.state !== "untouched");
    const patched = there.filter((one) => one.diff);
    diffs.hidden = !patched.length;
    showDiff(patched.map((one) => one.diff).join("\n"));
    said.replaceChildren(...sentences(answer).map((text) => make("p", {}, ...inline(text))));
    said.hidden = !said.childElementCount;
  }

  function traces(answer) {
    trace.replaceChildren();
    let number = 0;
    for (const outcome of answer.outcomes.filter((one) => one.state !== "untouched")) {
      for (const patch of outcome.trace) {
        const head = make("div", { class: "patch-head" },
          make("h3", {}, patch.name),
          make("span", { class: `state ${patch.state}` }, patch.state),
          make("span", { class: "soft" }, `${NAMES[outcome.of]}, priority ${patch.priority}`));
        const edits = patch.edits.map((edit) => row(edit, outcome.of, number++));
        trace.append(make("section", { class: "patch" }, head, patch.reason && make("p", { class: "reason" }, ...inline(patch.reason)), make("ol", {}, ...edits)));
      }
    }
    if (!trace.childElementCount) trace.append(make("p", { class: "empty" }, "No patch has run."));
    settle[0]();
    byId("tab-trace").querySelector(".count").textContent = number ? String(number) : "";
    const again = chosen === null ? null : trace.querySelector(`[data-number="${chosen}"]`);
    if (again) again.show(false);
    else marks(null);
  }

  function row(edit, of, number) {
    const counts = [
      `matched ${edit.matched}`, `changed ${edit.changed}`,
      edit.skipped ? `skipped ${edit.skipped}` : null, edit.ran > 1 ? `ran ${edit.ran} times` : null,
    ].filter(Boolean).join(", ");
    const places = edit.places.slice(0, 3).join("\n") + (edit.matched > 3 ? "\n…" : "");
    const button = make("button", {
      type: "button", class: `edit depth-${Math.min(edit.depth, 4)}${edit.changed ? " changes" : ""}`, tabIndex: -1, "data-number": String(number),
      onfocus: () => button.show(true),
      onclick: () => button.show(true),
      onkeydown: (event) => {
        if (event.key !== "Enter") return;
        event.preventDefault();
        if (edit.spots.length) go({ pane: "domain", from: edit.spots[0][0], to: edit.spots[0][0] });
        else go({ pane: "patch", ...edit });
      },
    },
      make("span", { class: "label" }, edit.label),
      make("span", { class: "counts" }, edit.reason ? `${counts} (${edit.reason})` : counts),
      places && make("span", { class: "places" }, places));
    button.show = (reveal) => {
      chosen = number;
      for (const one of trace.querySelectorAll(".edit.shown")) one.classList.remove("shown");
      button.classList.add("shown");
      marks(edit, of, reveal);
    };
    return make("li", {}, button);
  }

  function boots(answer) {
    boot.replaceChildren();
    let wrong = 0;
    for (const one of answer.boots) {
      wrong += one.runs.filter((run) => run.state !== "stable").length;
      const words = one.of === "domain" ? `${count(one.runs.length, "run")} of the hook on the domain, as KubeVirt ${answer.kubevirt} and libvirt call it` : `${count(one.runs.length, "run")} of the hook on the cloud-init data`;
      boot.append(make("h3", {}, words), make("ol", { class: "runs" }, ...one.runs.map(runRow)));
    }
    if (!answer.boots.length) boot.append(make("p", { class: "empty" }, "Nothing to replay: the patches do not load, or edit none of the inputs."));
    settle[1]();
    const badge = byId("tab-boot").querySelector(".count");
    badge.textContent = wrong ? String(wrong) : answer.boots.length ? "✓" : "";
    badge.className = `count${wrong ? " error" : ""}`;
    badge.setAttribute("aria-label", wrong ? count(wrong, "problem") : answer.boots.length ? "stable" : "");
    return wrong;
  }

  function runRow(run) {
    const words = { stable: "stable", unstable: "differs", fails: "fails" }[run.state];
    const details = make("details", { open: run.state !== "stable" },
      make("summary", { tabIndex: -1 }, make("span", { class: `state ${run.state}` }, words), make("b", {}, run.name), make("span", { class: "soft" }, run.sees)),
      run.message && make("p", { class: "reason" }, ...inline(run.message)),
      run.help && make("p", { class: "soft" }, ...inline(run.help)),
      run.unlike && [make("p", { class: "soft" }, "The difference between its result and that of run 1:"), pre(run.unlike)],
      run.state !== "fails" && (run.diff ? [make("p", { class: "soft" }, "What it changes:"), pre(run.diff)] : make("p", { class: "soft" }, "It changes nothing.")));
    return make("li", {}, details);
  }

  function findings(answer) {
    list.replaceChildren();
    const found = answer.findings;
    const order = { error: 0, warning: 1, advice: 2 };
    for (const one of [...found].sort((a, b) => order[a.severity] - order[b.severity] || a.line - b.line)) {
      const place = one.line ? `${one.pane === "patch" ? one.file.split("/").pop() : NAMES[one.pane]}:${one.line}:${one.column}` : one.pane ? NAMES[one.pane] : "";
      list.append(make("div", { class: `found ${one.severity}` },
        make("button", { type: "button", class: "finding", tabIndex: -1, onclick: () => one.pane && go(one) },
          make("span", { class: "head" }, make("b", { class: "severity" }, one.severity), make("span", { class: "soft" }, place)),
          make("span", { class: "message" }, ...inline(one.message)),
          one.help && make("span", { class: "help" }, ...inline(one.help))),
        make("button", { type: "button", class: "link", onclick: () => rule(one.rule) }, `${one.rule} ${one.name}`)));
    }
    if (!found.length) list.append(make("p", { class: "empty" }, "Nothing was found."));
    settle[2]();
    const badge = byId("tab-findings").querySelector(".count");
    badge.textContent = found.length ? String(found.length) : "";
    badge.className = `count${found.some((one) => one.severity === "error") ? " error" : ""}`;
  }

  return {
    show(answer) {
      diff(answer);
      traces(answer);
      findings(answer);
    },
    boots,
  };
}

export function sentences(answer) {
  const said = [];
  for (const one of answer.outcomes) {
    const what = one.of === "domain" ? "The domain" : "The cloud-init data";
    const failed = one.trace.find((patch) => patch.state === "failed");
    if (one.state === "refused") said.push(`${what} is refused${failed ? ` by patch ${failed.name}: ${failed.reason}` : ": see the findings"}`);
    if (one.state === "unchanged") {
      const skipped = one.trace.length && one.trace.every((patch) => patch.state !== "applied");
      said.push(skipped ? `${what} is unchanged: ${one.trace.map((patch) => `${patch.name} is ${patch.state}`).join(", ")}.` : `${what} is unchanged.`);
    }
  }
  if (!answer.outcomes.length) {
    const errors = answer.findings.some((one) => one.severity === "error");
    said.push(errors ? "Nothing ran: the findings say what to fix." : "Enter a domain or cloud-init data to patch.");
  } else if (answer.outcomes.every((one) => one.state === "untouched")) {
    said.push("The patches do not edit any of the given inputs.");
  }
  return said;
}

/** A diff in a plain block. */
export function pre(text) {
  const lines = text.split("\n");
  const shown = lines.slice(0, LONGEST_PRE).map((line) => {
    const kind = /^(?:---|\+\+\+) /.test(line) ? "at" : { "+": "add", "-": "del", "@": "at" }[line[0]];
    return make("span", { class: kind ? `diff-${kind}` : undefined }, `${line}\n`);
  });
  const more = lines.length - LONGEST_PRE;
  return make("pre", { tabIndex: 0, class: "diff" }, ...shown, more > 0 && `… and ${more} more lines`);
}
