"""Elements as the fragments of a patch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...compile import BUILT_IN_NAMESPACES
from ...markup import escape_attribute, escape_text
from .templates import GAP, parts
from .trees import Element, has_mixed_content, is_element

_WIDTH = 100
WHEN = "{urn:patchlang:directives}when"
"""The attribute of an element that not every domain gets: `patch:when`, in a tree."""


def lines(nodes: list[Element], known: Mapping[str, str]) -> list[str]:
    """The lines of a fragment; ``known`` are the namespaces that the patch declares, by prefix."""
    writer = _Writer({**BUILT_IN_NAMESPACES, **known})
    return [line for node in nodes for line in writer.lines(node, "", frozenset())]


class _Writer:
    def __init__(self, known: Mapping[str, str]) -> None:
        self._prefixes = {uri: prefix for prefix, uri in known.items()}

    def lines(self, node: Element, indent: str, declared: frozenset[str]) -> Iterator[str]:
        if not is_element(node):
            yield f"{indent}<!--{node.text or ''}-->"
            return
        name, start, declared = self._start(node, declared)
        if len(indent + start) > _WIDTH + 4 and len(node.attrib) > 1:
            start = start.replace(GAP, f"\n{indent}    ")
            *first, start = start.split("\n")
            yield from (f"{indent}{first[0]}", *first[1:])
            indent_of_end = indent
            if not len(node) and not node.text:
                yield f"{start}/>"
            elif not len(node) or has_mixed_content(node):
                yield f"{start}>{self._content(node, declared)}</{name}>"
            else:
                yield f"{start}>"
                for child in node:
                    yield from self.lines(child, indent + "  ", declared)
                yield f"{indent_of_end}</{name}>"
            return
        start = start.replace(GAP, " ")
        if not len(node) and not node.text:
            yield f"{indent}{start}/>"
            return
        if not len(node) or has_mixed_content(node):
            yield f"{indent}{start}>{self._content(node, declared)}</{name}>"
            return
        inner = [line for child in node for line in self.lines(child, indent + "  ", declared)]
        if len(inner) == 1 and len(indent + start + inner[0].strip() + name) < _WIDTH and len(list(node.iter())) <= 2:
            yield f"{indent}{start}>{inner[0].strip()}</{name}>"
            return
        yield f"{indent}{start}>"
        yield from inner
        yield f"{indent}</{name}>"

    def _content(self, node: Element, declared: frozenset[str]) -> str:
        found = _escaped(node.text or "", escape_text)
        for child in node:
            if is_element(child):
                name, start, inner = self._start(child, declared)
                start = start.replace(GAP, " ")
                content = self._content(child, inner)
                found += f"{start}>{content}</{name}>" if content else f"{start}/>"
            else:
                found += f"<!--{child.text or ''}-->"
            found += _escaped(child.tail or "", escape_text)
        return found

    def _start(self, node: Element, declared: frozenset[str]) -> tuple[str, str, frozenset[str]]:
        """The name, the start tag without its end, and the prefixes that it declares."""
        new: dict[str, str] = {}
        name = self._name(node.tag, node.prefix, declared, new)
        attributes = [(self._name(key, None, declared, new), text) for key, text in node.attrib.items() if key != WHEN]
        declarations = [(f"xmlns:{prefix}" if prefix else "xmlns", uri) for prefix, uri in new.items()]
        shown = "".join(f'{GAP}{key}="{_escaped(text, escape_attribute)}"' for key, text in declarations + attributes)
        if (condition := node.get(WHEN)) is not None:
            quote = "'" if '"' in condition else '"'
            shown += f"{GAP}patch:when={quote}{condition}{quote}"
        return name, f"<{name}{shown}", declared | {f"{prefix}={uri}" for prefix, uri in new.items()}

    def _name(self, clark: str, prefix: str | None, declared: frozenset[str], new: dict[str, str]) -> str:
        if not clark.startswith("{"):
            return clark
        uri, local = clark[1:].split("}")
        chosen = self._prefixes.get(uri) or prefix or "ns"
        if uri not in self._prefixes and f"{chosen}={uri}" not in declared:
            new[chosen] = uri
        return f"{chosen}:{local}"


def _escaped(text: str, escape: Any) -> str:
    return "".join(
        f"$[ {one} ]" if is_expression else escape(one).decode().replace("$[", "$$[")
        for one, is_expression in parts(text)
    )
