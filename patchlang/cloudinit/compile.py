"""Compiles the op of one cloud-init edit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

from .. import rules
from ..cel.template import TemplateProgram, compile_template, cut
from ..context import Context
from ..diagnostics import fail
from ..document import model
from ..source import Text
from ..values import ABSENT, VALUE
from . import ops, pointer
from .ops import AddPartOp, Change, CloudInitOp, DataOp, EditTarget, JsonTestOp, PointerProgram, ValueProgram, blamed
from .pointer import PointerError
from .state import Origin
from .userdata import PartSelector

if TYPE_CHECKING:
    from ..cel.compiled import Compiled
    from ..run_scope import Scope

_ONE = model.Expect(1, 1)


class CloudInitOps:
    """Compiles the op of one cloud-init edit. Every method raises PatchError (PL2xx)."""

    def __init__(self, context: Context, edit: model.CloudInitEdit, label: str) -> None:
        self.context = context
        self.edit = edit
        place: Text | None = edit.content_type if isinstance(edit, model.AddPart) else edit.path
        self.origin = Origin(place.span() if place else edit.span, context.patch, label, context.jinja)

    def compile(self) -> CloudInitOp:
        with blamed(self.origin):
            return self.compiled()

    def compiled(self) -> CloudInitOp:
        edit = self.edit
        match edit:
            case model.JsonAdd():
                beside = edit.position in (model.ListPosition.BEFORE, model.ListPosition.AFTER)
                change = ops.add(self.value(edit.value), edit.position)
                return self.operation(edit.path, change, _ONE if beside else None)
            case model.JsonRemove():
                return self.operation(edit.path, ops.remove, _ONE)
            case model.JsonReplace():
                return self.operation(edit.path, ops.set_value(self.value(edit.value)), _ONE)
            case model.JsonMove() | model.JsonCopy():
                to = self.pointer(edit.path)
                change = ops.move(to) if isinstance(edit, model.JsonMove) else ops.copy(to)
                return self.operation(edit.source, change, _ONE, to)
            case model.JsonMerge():
                return self.operation(edit.path, ops.merge(self.value(edit.value)))
            case model.JsonEnsure():
                return self.operation(edit.path, ops.ensure(self.value(edit.value), prepend=edit.position is not None))
            case model.JsonTest():
                return self.test(edit)
            case model.AddPart():
                return self.add_part(edit)
            case _:
                assert_never(edit)

    def operation(
        self, path: model.Pointer, change: Change, default: model.Expect | None = None, to: PointerProgram | None = None
    ) -> DataOp:
        edit = self.edit
        counted = self.pointer(path)
        if isinstance(edit, (model.JsonAdd, model.JsonEnsure)) and edit.position and edit.position.value == "prepend":
            _check_end_of_list(counted)
        part = PartSelector(_text(edit.part.content_type), _text(edit.part.filename)) if edit.part else None
        unless = self.pointer(edit.unless) if edit.unless else None
        ensures = isinstance(edit, model.JsonEnsure)
        place = EditTarget(edit.target, part, counted, edit.expect or default, unless, default is None, ensures)
        return DataOp(place, change, [counted, to] if to else [counted], self.origin)

    def test(self, edit: model.JsonTest) -> CloudInitOp:
        data = expression = None
        if edit.path is not None and edit.value is not None:
            data = self.operation(edit.path, ops.test(self.value(edit.value, optional=False)), _ONE)
        if edit.expression is not None:
            names = self.context.names(item=edit.for_each is not None, cloud_init=True)
            expression = self.context.expression(edit.expression, names, "bool")
        return JsonTestOp(data, expression, self.template(edit.message) if edit.message else None, self.origin)

    def add_part(self, edit: model.AddPart) -> AddPartOp:
        from . import mime

        try:
            mime.check_type(edit.content_type.text)
        except mime.MimeError as e:
            raise fail(rules.BAD_VALUE, str(e), edit.content_type.span()) from None
        try:
            mime.check_filename(edit.filename.text)
        except mime.MimeError as e:
            raise fail(rules.BAD_VALUE, str(e), edit.filename.span()) from None
        return AddPartOp(edit.content_type.text, edit.filename.text, self.template(edit.content), self.origin)

    def expression(self, source: Text, *, optional: bool = False) -> Compiled:
        names = self.context.names(item=self.edit.for_each is not None, cloud_init=True)
        return self.context.expression(model.Expression(source.text, source.locate), names, optional=optional)

    def template(self, source: model.Template) -> TemplateProgram:
        return self.noted(compile_template(source, self.expression))

    def noted(self, template: TemplateProgram) -> TemplateProgram:
        for part in template.parts:
            if isinstance(part, str):
                self.context.note_jinja(part)
        return template

    def pointer(self, source: model.Pointer) -> PointerProgram:
        self.context.note_jinja(source.text)
        pieces = cut(source, lambda _number: pointer.HOLE)
        if pieces.text.count(pointer.HOLE) > len(pieces.expressions):
            raise fail(rules.BAD_POINTER, "U+0000 is not allowed in a pointer", source.span())
        expressions = tuple([self.expression(expression) for expression in pieces.expressions])
        places = pieces.places
        try:
            parsed = pointer.parse(pieces.text)
        except PointerError as e:
            span = source.span(places[min(e.start, len(places) - 1)], places[min(e.end, len(places) - 1)])
            raise fail(e.rule, e.message, span, e.help) from None
        return PointerProgram(source, parsed, expressions, places)

    def value(self, value: model.Value, *, optional: bool = True) -> ValueProgram:
        """With ``optional``, the value or its parts are omitted if they are an optional without a value."""
        match value:
            case model.Constant(data=data):
                if isinstance(data, str):
                    self.context.note_jinja(data)
                return ValueProgram(lambda _scope: data)
            case model.Template():
                alone = partial(self.expression, optional=optional)
                return ValueProgram(self.noted(compile_template(value, self.expression, alone)).value)
            case model.ListValue(items=items):
                built = [self.value(item, optional=optional) for item in items]

                def build_list(scope: Scope) -> Any:
                    scope.budget.hold(VALUE * len(built))
                    return [one for item in built if (one := item.build(scope)) is not ABSENT]

                return ValueProgram(build_list)
            case model.MapValue(entries=entries):
                members = [(key, self.value(item, optional=optional)) for key, item in entries]
                for key, _ in members:
                    self.context.note_jinja(key)

                def build(scope: Scope) -> Any:
                    scope.budget.hold(2 * VALUE * len(members))
                    return {key: one for key, item in members if (one := item.build(scope)) is not ABSENT}

                return ValueProgram(build)


def _check_end_of_list(path: PointerProgram) -> None:
    tokens = path.parsed.tokens
    if not tokens or path.parsed.token_text(len(tokens) - 1) != "-":
        help = f"to insert at the start of a list, write `{path.source.text}/-`"
        raise fail(rules.BAD_VALUE, "`position: prepend` needs a path that ends in `/-`", path.source.span(), help)


def _text(name: model.Name | None) -> str | None:
    return name.text if name else None
