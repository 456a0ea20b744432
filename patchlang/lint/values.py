"""Advice on values that do not mean what they seem to mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from .. import rules
from ..cel.template import LiteralPiece
from ..diagnostics import Diagnostic
from ..document import model
from ..document.model import Role
from ..patterns import pattern
from ..source import Span, Text
from ..xpath.tree import Literal, walk
from .reading import TEMPLATES, advice, constants, leaves, shown, template, xpaths
from .roles import parts, texts

_BRACES = pattern(r"[$%#]\{\s*([^{}\s]+)\s*\}|\{\{\s*([^{}\s]+)\s*\}\}|\$\(\s*([^()\s]+)\s*\)")
_MEMBERS = r"([A-Za-z_]\w*+)\.\??(\w++)(?:\.\??\w++|\[\??(?:'[^']*+'|\"[^\"]*+\"|\w++)\])*+"
_WHOLE_PATH = pattern(rf"\s*+({_MEMBERS})\s*+")
_WHOLE_CALL = pattern(r"\s*+((?:annotation|label|parseJSON|quantity|xpath)\(['\"].*\)(?:[.\[].*)?+)\s*+")
_PATH_IN_MARKUP = pattern(rf"['\">]\s*+({_MEMBERS})\s*+(?=['\"<])")
_HELM = pattern(
    r"\{\{-?\s*(?:\.(?:Values|Release|Chart|Files|Capabilities)\b|(?:include|tpl|toYaml|required)\s)[^{}]*\}\}"
)
_DOLLAR = pattern(r"\$([A-Za-z_]\w*)")

SpanOf = Callable[[int, int], Span]


def not_computed(patch: model.Patch) -> Iterator[Diagnostic]:
    """``$port``, ``${ port }``, ``{{ port }}`` in a value, where ``port`` is a variable: only ``$[ ]`` is computed.

    The same for a value that is just a CEL path or call, such as ``vmi.metadata.name`` or ``label('a')``, for
    ``$port`` in the quotes of an XPath, and for Helm's ``{{ .Values.port }}``.
    """
    variables = {variable.name.text for variable in patch.spec.variables}
    for edit in (*patch.spec.domain, *patch.spec.cloud_init):
        names = variables | ({"item", "index"} if edit.for_each is not None else set())
        for kind, text, place in _literals(edit):
            found = (
                *_meant(text, kind, names, isinstance(edit, model.CloudInitEdit)),
                *_paths(text, kind, variables, loop=edit.for_each is not None),
            )
            for start, end, name in found:
                expression = f"variables.{name}" if name in variables else name
                message = f"`{shown(text[start:end])}` is not computed: the text stays as it is"
                yield advice(patch, rules.NOT_COMPUTED, message, place(start, end), f"write `$[ {expression} ]`")
            for helm in _HELM.finditer(text):
                message = f"`{shown(helm[0])}` is Helm syntax, and nothing renders it: the text stays as it is"
                span = place(helm.start(), helm.end())
                yield advice(patch, rules.NOT_COMPUTED, message, span, "check the output of `helm template`")
    yield from _quoted_variables(patch, variables)


def _quoted_variables(patch: model.Patch, variables: set[str]) -> Iterator[Diagnostic]:
    """``'ua-$port'`` in an XPath: variables only work outside quotes there."""
    for text, expr, edit in xpaths(patch):
        names = variables | ({"item", "index"} if edit is not None and edit.for_each is not None else set())
        for part in walk(expr):
            if not isinstance(part, Literal):
                continue
            found = next((one for one in _DOLLAR.finditer(part.value) if one[1] in names), None)
            if found is not None:
                message = f"`${found[1]}` in quotes is text, not a variable"
                if isinstance(text, model.ConstructivePath):
                    expression = f"variables.{found[1]}" if found[1] in variables else found[1]
                    help = f"write `$[ {expression} ]`"
                else:
                    pieces = (part.value[: found.start()], part.value[found.end() :])
                    help = f"write `{_concatenated(f'${found[1]}', *pieces)}`"
                yield advice(patch, rules.NOT_COMPUTED, message, text.span(part.start, part.end), help)


def _concatenated(variable: str, before: str, after: str) -> str:
    pieces = [*([f"'{before}'"] if before else []), variable, *([f"'{after}'"] if after else [])]
    return f"concat({', '.join(pieces)})" if len(pieces) > 1 else variable


def _literals(edit: model.Edit) -> Iterator[tuple[type, str, SpanOf]]:
    """The texts of an edit in which something might be computed: their notation, the texts, their places."""
    for leaf in leaves(edit):
        if isinstance(leaf, TEMPLATES):
            for piece in template(leaf):
                if isinstance(piece, LiteralPiece):
                    yield type(leaf), piece.text, partial(_within, leaf, piece.at)
    for constant in constants(edit):
        if isinstance(constant.data, str):
            yield model.Template, constant.data, partial(_whole, constant.span)


def _within(text: Text, at: int, start: int, end: int) -> Span:
    return text.span(at + start, min(at + end, len(text.text)))


def _whole(span: Span, start: int, end: int) -> Span:
    return span


def _meant(text: str, kind: type, names: set[str], cloud_init: bool) -> Iterator[tuple[int, int, str]]:
    """What looks like a value to compute: its place and its name.

    Shell scripts and Jinja templates in cloud-init data have their own variables: there it must be the whole text,
    or a member of ``vmi`` or ``variables``.
    """
    for found in _BRACES.finditer(text):
        name = next(group for group in found.groups() if group)
        root = re.split(r"[.\[]", name)[0]
        ours = root in ("vmi", "variables") and root != name
        if ours or (root in names and (not cloud_init or found.group() == text)):
            yield found.start(), found.end(), name
    if kind is model.ConstructivePath:
        return  # it is XPath, where variables are written this way
    for found in _DOLLAR.finditer(text):
        if found[1] in names and (not cloud_init or found.group() == text or kind is model.Pointer):
            yield found.start(), found.end(), found[1]


def _paths(text: str, kind: type, variables: set[str], *, loop: bool) -> Iterator[tuple[int, int, str]]:
    """CEL paths and calls that are the whole of a value, and paths that are one of a fragment."""
    if kind not in (model.Template, model.Fragment):
        return
    if kind is model.Template and (call := _WHOLE_CALL.fullmatch(text)):
        yield call.start(1), call.end(1), call[1].rstrip()
    whole = _WHOLE_PATH.fullmatch(text)
    for found in _PATH_IN_MARKUP.finditer(text) if kind is model.Fragment else [whole] if whole else []:
        from ..cel.syntax import MEMBERS

        root, member = found[2], found[3]
        known = member in variables if root == "variables" else member in MEMBERS.get(root, ())
        if known or (loop and root == "item"):
            yield found.start(1), found.end(1), found[1]


_OPTION = pattern(r"(--?[A-Za-z][\w-]*)[ \t]+(?=\S)")


def joined_argument(patch: model.Patch) -> Iterator[Diagnostic]:
    """A QEMU option and its value in one argument, ``-device x``: no QEMU option has a blank in its name.

    Not a value with blanks, such as ``console=ttyS0 ro``.
    """
    for edit in patch.spec.domain:
        lists = [part.value for part in parts(edit) if part.role is Role.ARGUMENT and isinstance(part.value, tuple)]
        for argument in (one for value in lists for one in value if isinstance(one, model.Template)):
            if found := _OPTION.match(argument.text):
                message = f"`{found[1]}` and its value are one argument, which QEMU does not split"
                help = f"write separate entries: `{found[1]}`, then its value"
                yield advice(patch, rules.JOINED_ARGUMENT, message, argument.span(0, found.end(1)), help)


def trailing_break(patch: model.Patch) -> Iterator[Diagnostic]:
    """A value of a domain edit that ends in a line break, as ``|`` adds: it becomes part of what is set."""
    for edit in patch.spec.domain:
        for value in texts(edit, model.Template, Role.VALUE, Role.ARGUMENT):
            if value.text.endswith("\n"):
                message = "the value ends in a line break, which becomes part of it"
                last = value.span(max(0, len(value.text.rstrip("\n")) - 1))
                yield advice(patch, rules.TRAILING_BREAK, message, last, "write `|-` or `>-` instead of `|` or `>`")
