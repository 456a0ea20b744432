// The dialogs: export, the page of a rule, the keys.

import { ask } from "./api.js";
import { byId, make } from "./dom.js";
import { inline, markdown } from "./markdown.js";
import { tabs } from "./tabs.js";

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
}

/** Shows the page of a rule. */
export async function showRule(rule) {
  const body = byId("rule-body");
  try {
    const answer = await ask("rule", { rule });
    byId("rule-title").textContent = `${answer.rule} ${answer.name}`;
    body.replaceChildren(markdown(answer.text.replace(/^# .*\n/, "")));
  } catch (error) {
    body.replaceChildren(make("p", { class: "reason" }, error.message));
  }
  byId("rule-dialog").showModal();
  body.scrollTop = 0;
}

/** Makes the export work; `given()` are the texts on the page. */
export function exporting(given, announce) {
  const body = byId("export-body");
  let newest = 0;
  async function show(tab) {
    const number = ++newest;
    let children;
    try {
      const answer = await ask("export", { form: tab.replace("tab-", ""), ...given() });
      children = [make("p", { class: "soft" }, ...inline(answer.note)), ...answer.files.map(file)];
    } catch (error) {
      children = [make("p", { class: "reason" }, error.message)];
    }
    if (number === newest) body.replaceChildren(...children);
  }
  const forms = tabs("export-tabs", (id) => {
    body.setAttribute("aria-labelledby", id);
    if (byId("export-dialog").open) show(id);
  });
  forms.select("tab-test");
  byId("export").addEventListener("click", () => {
    body.replaceChildren();
    byId("export-dialog").showModal();
    byId(forms.selected()).focus();
    show(forms.selected());
  });

  function file({ name, text }) {
    const copy = make("button", { type: "button", class: "quiet", "aria-label": `Copy ${name}`, onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        copy.textContent = "Copied";
        announce(`${name} is copied.`);
      } catch {
        announce("The browser does not allow to copy: download the file.");
      }
    } }, "Copy");
    const download = make("button", { type: "button", class: "quiet", "aria-label": `Download ${name}`, onclick: () => {
      const link = make("a", { href: URL.createObjectURL(new Blob([text])), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      announce(`${name} is downloaded.`);
    } }, "Download");
    return make("section", { class: "file" },
      make("div", { class: "head" }, make("h3", {}, name), copy, download),
      make("pre", { tabIndex: 0 }, text));
  }
}
