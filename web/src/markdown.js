// As much Markdown as the pages of rules and the texts of hovers use, as elements.

import { make } from "./dom.js";

export function markdown(text) {
  const out = document.createDocumentFragment();
  const lines = text.split("\n");
  let at = 0;
  const until = (ends) => {
    const taken = [];
    while (at < lines.length && !ends(lines[at])) taken.push(lines[at++]);
    return taken;
  };
  while (at < lines.length) {
    const line = lines[at];
    const heading = /^(#{1,4}) (.*)$/.exec(line);
    if (!line.trim() || line.startsWith("<!--")) {
      at++;
    } else if (heading) {
      out.append(make(`h${Math.min(heading[1].length + 2, 6)}`, {}, ...inline(heading[2])));
      at++;
    } else if (line.startsWith("```")) {
      at++;
      out.append(make("pre", { tabIndex: 0 }, until((one) => one.startsWith("```")).join("\n")));
      at++;
    } else if (line.startsWith("    ")) {
      out.append(make("pre", { tabIndex: 0 }, until((one) => one.trim() && !one.startsWith("    ")).map((one) => one.slice(4)).join("\n").trimEnd()));
    } else if (line.startsWith("- ")) {
      const list = make("ul");
      while (at < lines.length && lines[at].startsWith("- ")) {
        const first = lines[at++].slice(2);
        const rest = until((one) => !one.startsWith("  ") || one.startsWith("- "));
        list.append(make("li", {}, ...inline([first, ...rest.map((one) => one.trim())].join(" "))));
      }
      out.append(list);
    } else if (line.startsWith("|")) {
      out.append(make("pre", { tabIndex: 0 }, until((one) => !one.startsWith("|")).join("\n")));
    } else {
      const paragraph = until((one) => !one.trim() || one.startsWith("```") || one.startsWith("- ") || one.startsWith("#"));
      if (!paragraph.length) paragraph.push(lines[at++]);
      out.append(make("p", {}, ...inline(paragraph.join(" "))));
    }
  }
  return out;
}

/** A line of text with its code, as nodes. */
export function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)]*\))/).map((piece) => {
    if (/^`.+`$/.test(piece)) return make("code", {}, piece.slice(1, -1));
    if (/^\*\*.+\*\*$/.test(piece)) return make("strong", {}, piece.slice(2, -2));
    return /^\[[^\]]+\]\(/.test(piece) ? piece.slice(1, piece.indexOf("](")) : piece;
  });
}
