// Elements without templates: text is never read as HTML.

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; `class`, `data-…` and `aria-…` are attributes. */
export function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class" || name.includes("-") || name === "role") made.setAttribute(name, value);
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

/** Arrow keys, Home and End move the focus among the items of a list, of which Tab reaches one. */
export function rove(list, selector, horizontal = false) {
  const [back, forth] = horizontal ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
  const items = () => [...list.querySelectorAll(selector)];
  const reach = (item) => {
    for (const one of items()) one.tabIndex = one === item ? 0 : -1;
  };
  list.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    const last = all.length - 1;
    const to = { [back]: horizontal && at === 0 ? last : at - 1, [forth]: horizontal && at === last ? 0 : at + 1, Home: 0, End: last }[event.key];
    if (to === undefined || !all[to]) return;
    event.preventDefault();
    reach(all[to]);
    all[to].focus();
  });
  list.addEventListener("focusin", (event) => {
    const item = event.target.closest(selector);
    if (item) reach(item);
  });
  return () => {
    const all = items();
    if (all.length && !all.some((one) => one.tabIndex === 0)) all[0].tabIndex = 0;
  };
}
