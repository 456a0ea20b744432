"""The op ``qemuArgs``: arguments and environment variables on ``qemu:commandline``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from .. import rules
from ..cel.template import TemplateProgram, as_text
from ..diagnostics import fail
from ..document.model import Position, Unique
from ..libvirt_lists import QEMU_NAMESPACE
from ..patterns import pattern
from ..record import record
from ..result import Effect
from ..source import Span
from ..xpath.match import Match
from .guarded import Editor
from .ops import note

if TYPE_CHECKING:
    from ..run_scope import Scope
    from .tree import DomainTree

# as libvirt parses it: qemuDomainXmlNsDefParse
_VARIABLE = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMING = "use letters, digits and `_`, and do not begin with a digit"


def check_names(env: tuple[tuple[TemplateProgram, TemplateProgram], ...]) -> None:
    """Raises PatchError (PL104) for a literal name that is not a variable's."""
    for name, _ in env:
        if name.constant is not None and not _VARIABLE.fullmatch(name.constant):
            raise fail(rules.BAD_VALUE, f"`{name.constant}` is not a valid variable name", name.source.span(), _NAMING)


@record
class QemuArgsOp:
    args: tuple[TemplateProgram, ...] | TemplateProgram
    unique: Unique
    env: tuple[tuple[TemplateProgram, TemplateProgram], ...] | TemplateProgram
    span: Span

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, edit = Effect(), Editor(tree, lambda: self.span)
        args, env = self._arguments(scope), self._variables(scope)
        for text in [*args, *env, *env.values()]:
            edit.check_text(text, edit.place)
        if not args and not env:
            return effect
        line = tree.root.find(_qemu("commandline"))
        if line is None:
            line = etree.Element(_qemu("commandline"), nsmap={"qemu": QEMU_NAMESPACE})
            edit.insert([line], tree.root, Position.APPEND)
        note(effect, [Match(line)], tree)
        written = self._written_variables(env) if tree.origins is not None else {}
        for name, value in env.items():
            effect.changed += self._set_variable(edit, line, name, value, written.get(name))
        numbered = list(enumerate(args))
        for run in [numbered] if self.unique is Unique.RUN else [[arg] for arg in numbered]:
            effect.changed += self._add_arguments(edit, line, run)
        return effect

    def _arguments(self, scope: Scope) -> list[str]:
        if isinstance(self.args, tuple):
            return [_text(arg, scope) for arg in self.args]
        value, [origin] = self.args.value(scope), self.args.parts
        assert not isinstance(origin, str)
        if not isinstance(value, list):
            found = "text" if isinstance(value, str) else "something else"
            help = "split text with `.split(' ')`, or write the arguments as a YAML list"
            raise origin.error(rules.WRONG_RESULT, f"`args` needs a list, but the expression gives {found}", help)
        return [as_text(item, origin) for item in value]

    def _variables(self, scope: Scope) -> dict[str, str]:
        if not isinstance(self.env, tuple):
            return self._computed_variables(self.env, scope)
        variables: dict[str, str] = {}
        for name, value in self.env:
            written = name.constant
            text = name.text(scope) if written is None else written
            if written is None and not _VARIABLE.fullmatch(text):
                raise fail(rules.WRONG_RESULT, "the key is not a valid variable name", name.source.span(), _NAMING)
            if text in variables:
                raise fail(rules.WRONG_RESULT, "two keys of `env` name the same variable", name.source.span())
            variables[text] = value.text(scope)
        return variables

    def _computed_variables(self, env: TemplateProgram, scope: Scope) -> dict[str, str]:
        value, [origin] = env.value(scope), env.parts
        assert not isinstance(origin, str)
        if not isinstance(value, dict):
            found = "a list" if isinstance(value, list) else "something else"
            help = "give a map of names and values, such as `{'NAME': 'value'}`"
            raise origin.error(rules.WRONG_RESULT, f"`env` needs a map, but the expression gives {found}", help)
        if not all(_VARIABLE.fullmatch(name) for name in value):
            raise origin.error(rules.WRONG_RESULT, "a key is not a valid variable name", _NAMING)
        return {name: as_text(text, origin) for name, text in value.items()}

    def _written_argument(self, number: int) -> str | None:
        return (self.args[number] if isinstance(self.args, tuple) else self.args).written

    def _written_variables(self, env: dict[str, str]) -> dict[str, str | None]:
        """The source of each variable's value; unknown for one with a computed name."""
        if isinstance(self.env, tuple):
            return {name.constant: value.written for name, value in self.env if name.constant is not None}
        return dict.fromkeys(env, self.env.written)

    def _add_arguments(self, edit: Editor, line: etree._Element, numbered: list[tuple[int, str]]) -> bool:
        args = [text for _, text in numbered]
        present = list(line.iterchildren(_qemu("arg")))
        values = [arg.get("value") for arg in present]
        if not args or any(values[i : i + len(args)] == args for i in range(len(values) - len(args) + 1)):
            return False
        nodes = []
        for number, value in numbered:
            node = etree.Element(_qemu("arg"), nsmap={"qemu": QEMU_NAMESPACE})
            node.set("value", value)
            if edit.tree.origins is not None:
                edit.tree.origins.wrote(node, "value", self._written_argument(number))
            nodes.append(node)
        if present:
            edit.insert(nodes, present[-1], Position.AFTER)
        else:
            edit.insert(nodes, line, Position.APPEND)
        return True

    def _set_variable(self, edit: Editor, line: etree._Element, name: str, value: str, written: str | None) -> bool:
        found = [e for e in line.iterchildren(_qemu("env")) if e.get("name") == name]
        if edit.tree.origins is not None:
            for node in found:
                edit.tree.origins.wrote(node, "value", written)
        if found:
            changes = [edit.set_attribute(e, "value", value, edit.place) for e in found]
            return any(changes)
        node = etree.Element(_qemu("env"), nsmap={"qemu": QEMU_NAMESPACE})
        node.set("name", name)
        node.set("value", value)
        if edit.tree.origins is not None:
            edit.tree.origins.wrote(node, "value", written)
        last = next(line.iterchildren(_qemu("env"), reversed=True), None)
        if last is not None:
            edit.insert([node], last, Position.AFTER)
        else:
            edit.insert([node], line, Position.PREPEND)
        return True


def _text(arg: TemplateProgram, scope: Scope) -> str:
    origin = arg.parts[0] if arg.is_one_expression else ""
    if not isinstance(origin, str) and isinstance(origin.evaluate(scope), list):
        help = 'make it the entire value of `args`, without a YAML list around it: `args: "$[ ... ]"`'
        raise origin.error(rules.WRONG_RESULT, "an argument cannot be a list", help)
    return arg.text(scope)


def _qemu(name: str) -> str:
    return f"{{{QEMU_NAMESPACE}}}{name}"
