// Tabs as the ARIA practices describe them: arrow keys choose, Tab goes on to the panel.

import { byId, rove } from "./dom.js";

/** `select(id)` shows the panel of the tab with that id; `chosen` is told of each choice. */
export function tabs(listId, chosen = () => {}) {
  const list = byId(listId);
  const all = [...list.querySelectorAll("[role=tab]")];
  const select = (id) => {
    for (const tab of all) {
      const isIt = tab.id === id;
      tab.setAttribute("aria-selected", String(isIt));
      tab.tabIndex = isIt ? 0 : -1;
      const panel = byId(tab.getAttribute("aria-controls"));
      if (all.every((one) => one === tab || one.getAttribute("aria-controls") !== panel.id)) panel.hidden = !isIt;
    }
    chosen(id);
  };
  rove(list, "[role=tab]", true);
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) select(tab.id);
  });
  list.addEventListener("focusin", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab && tab.getAttribute("aria-selected") !== "true") select(tab.id);
  });
  const selected = () => all.find((tab) => tab.getAttribute("aria-selected") === "true").id;
  return { select, selected };
}
