"""A plan as a self-contained HTML page: a filter, a table of groups with their diffs, all VMs.

It loads nothing, and its policy forbids the browser to. Without scripts there is no filter.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ..diffs import legible
from ..render import printable
from .report import Group, Plan, Status
from .words import WORDS, summary, title, values

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --add: #1a7f37; --del: #cf222e; --at: #0969da; --soft: #8881; }
@media (prefers-color-scheme: dark) { :root { --add: #3fb950; --del: #ff7b72; --at: #58a6ff; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 75rem; padding: 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .5rem; }
form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; margin: 1rem 0; align-items: end; }
label { display: block; }
input, select { font: inherit; padding: .3rem .5rem; max-width: 100%; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: 0 .8rem; }
summary { cursor: pointer; padding: .5rem 0; overflow-wrap: anywhere; }
summary b { font-weight: 600; }
pre { overflow-x: auto; background: var(--soft); padding: .6rem; border-radius: .3rem; font-size: .85rem; }
pre .add { color: var(--add); } pre .del { color: var(--del); } pre .at { color: var(--at); }
ul { padding-left: 1.2rem; } li { overflow-wrap: anywhere; }
.vms { columns: 16rem; list-style: none; padding: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
td:last-child { overflow-wrap: anywhere; }
td.n { text-align: right; }
[hidden] { display: none; }
:focus-visible { outline: 3px solid var(--at); outline-offset: 2px; }
"""

_SCRIPT = """
const text = document.getElementById('text'), status = document.getElementById('status');
const said = document.getElementById('said'), groups = [...document.querySelectorAll('details')];
const rows = new Map([...document.querySelectorAll('tbody tr')].map(row => [row.dataset.of, row]));
function filter() {
  const wanted = text.value.trim().toLowerCase();
  let vms = 0;
  for (const group of groups) {
    const all = group.dataset.text.includes(wanted);
    let shown = 0;
    for (const vm of group.querySelectorAll('.vms li')) {
      const fits = all || vm.textContent.toLowerCase().includes(wanted);
      vm.hidden = !fits;
      shown += fits;
    }
    const fits = (!status.value || group.dataset.status === status.value) && shown > 0;
    group.hidden = rows.get(group.id).hidden = !fits;
    vms += fits ? shown : 0;
  }
  said.textContent = vms + ' of ' + said.dataset.all + ' VMs shown';
}
text.addEventListener('input', filter);
status.addEventListener('change', filter);
document.querySelector('form').addEventListener('submit', event => event.preventDefault());
document.querySelector('form').hidden = false;
for (const link of document.querySelectorAll('tbody a')) {
  link.addEventListener('click', () => { document.getElementById(link.hash.slice(1)).open = true; });
}
filter();
"""


def page(plan: Plan) -> str:
    return "".join(f"{line}\n" for line in _lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    said = escape(summary(plan))
    total = plan.counts()["vms"]
    groups = [(f"g{number}", group) for number, (_, group) in enumerate(plan.sorted(), 1)]
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
    yield f"<title>patchlang plan: {said}</title>"
    yield f"<style>{_STYLE}</style></head>"
    yield "<body><main>"
    yield f"<h1>patchlang plan</h1><p>{said}</p>"
    yield '<form hidden role="search">'
    yield '<label>Filter by VM, edit or text<br><input id="text" type="search" autocomplete="off"></label>'
    yield '<label>Status<br><select id="status"><option value="">all</option>'
    there = {group.body.status for _, group in groups}
    yield from (f'<option value="{one.value}">{WORDS[one]}</option>' for one in Status if one in there)
    yield f'</select></label><output id="said" data-all="{total}" aria-live="polite"></output></form>'
    yield '<div class="wide"><table><thead><tr><th scope="col">VMs</th><th scope="col">Status</th>'
    yield '<th scope="col">What</th></tr></thead><tbody>'
    for name, group in groups:
        body = group.body
        what = escape(printable(body.reason or ", ".join(body.edits) or body.of))
        yield f'<tr data-of="{name}"><td class="n">{len(group.vms)}</td><td>{WORDS[body.status]}</td>'
        yield f'<td><a href="#{name}">{what}</a></td></tr>'
    yield "</tbody></table></div>"
    for name, group in groups:
        yield from _group(name, group, total)
    yield "<h2>Assumptions</h2><ul>"
    yield from (f"<li>{escape(note)}</li>" for note in plan.rests_on())
    yield f"</ul></main><script>{_SCRIPT}</script></body></html>"


def _group(name: str, group: Group, total: int) -> Iterator[str]:
    body = group.body
    searched = " ".join((body.reason, *body.edits, *body.effect, *(said.text for said in body.findings))).lower()
    is_open = " open" if body.status is Status.FAILS else ""
    yield f'<details id="{name}" data-status="{body.status.value}" data-text="{escape(printable(searched))}"{is_open}>'
    yield f"<summary><b>{escape(printable(title(group, total)))}</b></summary>"
    lines = [*(f"by {edit}" for edit in body.edits), *values(group)]
    if lines:
        yield "<ul>"
        yield from (f"<li>{escape(printable(line))}</li>" for line in lines)
        yield "</ul>"
    for said in body.findings:
        yield f"<pre>{escape(legible(said.text))}</pre>"
    if body.diff:
        yield f"<p>Diff of {escape(printable(body.of))}:</p>"
        yield f'<pre tabindex="0">{"".join(map(_diff_line, legible(body.diff).split(chr(10))))}</pre>'
    yield '<ul class="vms">'
    yield from (f"<li>{escape(printable(vm))}</li>" for vm in group.vms)
    yield "</ul></details>"


def _diff_line(line: str) -> str:
    kind = {"+": "add", "-": "del", "@": "at"}.get(line[:1])
    return f'<span class="{kind}">{escape(line)}</span>\n' if kind else f"{escape(line)}\n"
