"""Reading one function: every place in it that depends on more than the log, and every function that it refers to."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Iterator

from .findings import Finding
from .meaning import STEP, WORKFLOW, Meaning, Resolver
from .program import Definition, Function, Instance, statements
from .rules import HARMLESS_FROM, VALUES, Rule, rule_of, value_of
from .scopes import Scope

ORDER = Rule((), "a set has another order in every process", "sorted(…), or a list or dict, which keep their order")
SWALLOWS = Rule(
    (), "it swallows perdure.Cancelled, so a cancelled branch goes on", "except Exception, or end the handler with a bare `raise`"
)
SHARED = Rule((), "all runs of the process share it, and a replay changes it again", "a local variable, or an attribute of the run")

ORDERS = frozenset(f"builtins.{name}" for name in "list tuple iter enumerate next zip map filter reversed".split()) | {"dict.fromkeys"}
"""Callers that pass the order of what they are given on."""
ORDERLESS = frozenset(f"builtins.{name}" for name in "sorted set frozenset sum min max any all len".split())
MUTATORS = frozenset("append extend insert remove pop popleft appendleft clear update setdefault add discard popitem sort reverse".split())
MUTABLE = frozenset(f"builtins.{name}" for name in "list dict set bytearray".split()) | {
    "collections.defaultdict", "collections.deque", "collections.Counter()", "collections.OrderedDict()",
}  # fmt: skip
AWAITED = frozenset(
    f"perdure.{name}"
    for name in (
        "sleep sleep_until signal approval wait_until gather first_of child start_child attach continue_as signal_run cancel_run "
        "steps.webhook steps.http"
    ).split()
)
"""Words of perdure that do nothing until they are awaited."""


class Reading(ast.NodeVisitor):
    """What one definition holds: `findings`, the lines where they were `allowed`, and the definitions it `refers` to."""

    def __init__(self, definition: Definition, resolver: Resolver, workflow: str) -> None:
        self.definition = definition
        self.resolver = resolver
        self.workflow = workflow
        self.findings: list[Finding] = []
        self.allowed: set[str] = set()
        self.refers: list[Definition] = []
        self._module = definition.module
        self._names = [definition.qualname]
        self._scope = Scope(definition.module)
        self._orderless: set[ast.AST] = set()
        """Comprehensions whose order makes no difference, because of who takes them."""
        self._called: dict[ast.AST, ast.Call] = {}

    def read(self) -> None:
        if not isinstance(self.definition.node, ast.ClassDef):
            self._enter(self.definition.node, self.definition.owner)

    # -- scopes --------------------------------------------------------------------------------------------------------

    def _enter(self, node: Function | ast.Lambda, owner: Definition | None = None) -> None:
        outer, self._scope = self._scope, Scope(self._module, node, self._scope, owner)
        for part in [node.body] if isinstance(node, ast.Lambda) else node.body:
            self.visit(part)
        self._scope = outer

    def _nested(self, node: Function) -> None:
        if any(self._is_step(mark) for mark in node.decorator_list):
            return
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        self._names.append(node.name)
        self._enter(node)
        self._names.pop()

    def _is_step(self, mark: ast.expr) -> bool:
        return self.resolver.name_of(self.resolver.meaning(mark, self._scope)).removesuffix("()") in STEP

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._nested(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._nested(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._enter(node)

    # -- names ---------------------------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._name(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load):
            self._name(node)
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name):
            self.visit(root)

    def _name(self, node: ast.Name | ast.Attribute) -> None:
        meaning = self.resolver.meaning(node, self._scope)
        call = self._called.get(node)
        if isinstance(meaning, Definition | Instance):
            self.refers += self._referred(meaning, called=call is not None)
        elif isinstance(meaning, str):
            self._outside(node, meaning.replace("()", ""), call)

    def _referred(self, meaning: Definition | Instance, *, called: bool) -> Iterator[Definition]:
        found = meaning if isinstance(meaning, Definition) else None
        if found is None:
            return
        if not isinstance(found.node, ast.ClassDef):
            yield found
        elif called:
            made = (self.resolver.program.method(found, name, self.resolver.bases) for name in ("__new__", "__init__", "__post_init__"))
            yield from (method for method in made if method is not None)

    def _outside(self, node: ast.expr, name: str, call: ast.Call | None) -> None:
        rule = rule_of(name, called=call is not None)
        if rule is None or (call is not None and name in HARMLESS_FROM and _may_pass(call) >= HARMLESS_FROM[name]):
            return
        if call is None and name.rpartition(".")[2][:1].isupper():
            return  # a class is named, for an annotation or an isinstance
        found = value_of(name).removeprefix("builtins.")
        self._find(node, f"{found}()" if call is not None and found not in VALUES else found, rule)

    def visit_Call(self, node: ast.Call) -> None:
        self._called[node.func] = node
        function = self.resolver.meaning(node.func, self._scope)
        if function in ORDERLESS:
            self._orderless.update(node.args)
        elif function in ORDERS or _is_method(node, "join") or _is_method(node, "fromkeys"):
            self._ordered(node.args)
        elif _is_method(node, "pop") and not node.args and isinstance(node.func, ast.Attribute):
            self._ordered([node.func.value])
        if isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            self._changes(node.func.value, node, f"{ast.unparse(node.func)}()", only_displays=True)
        self.generic_visit(node)

    # -- what is not awaited -------------------------------------------------------------------------------------------

    def visit_Expr(self, node: ast.Expr) -> None:
        """A call that stands alone: what only its await begins was forgotten."""
        call = node.value
        if isinstance(call, ast.Call) and self._is_awaited(self.resolver.meaning(call.func, self._scope)):
            said = f"{ast.unparse(call.func)}(…)"
            self._find(call, f"{said} is not awaited", Rule((), "nothing of it happens until it is", f"await {said}"))
        self.generic_visit(node)

    def _is_awaited(self, meaning: Meaning) -> bool:
        if isinstance(meaning, Definition):
            plain = isinstance(meaning.node, ast.AsyncFunctionDef) and not meaning.node.decorator_list
            return plain or self.resolver.decorated(meaning, STEP | WORKFLOW)
        return isinstance(meaning, str) and meaning in AWAITED

    # -- the order of sets ---------------------------------------------------------------------------------------------

    def _ordered(self, sources: Iterable[ast.expr]) -> None:
        for source in sources:
            if self.resolver.is_set(source, self._scope):
                self._find(source, f"the order of {ast.unparse(source)}", ORDER)

    def visit_For(self, node: ast.For) -> None:
        self._ordered([node.iter])
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        if isinstance(node.ctx, ast.Load):
            self._ordered([node.value])
        self.generic_visit(node)

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.DictComp) -> None:
        if node not in self._orderless:
            self._ordered(generator.iter for generator in node.generators)
        self.generic_visit(node)

    visit_ListComp = visit_GeneratorExp = visit_DictComp = _comprehension  # noqa: N815

    # -- cancellation --------------------------------------------------------------------------------------------------

    def visit_Try(self, node: ast.Try) -> None:
        self._handlers(node)
        self.generic_visit(node)

    def visit_TryStar(self, node: ast.TryStar) -> None:
        self._handlers(node)
        self.generic_visit(node)

    def _handlers(self, node: ast.Try | ast.TryStar) -> None:
        if not _awaits(node.body):
            return
        for handler in node.handlers:
            kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            names = [self.resolver.meaning(kind, self._scope) if kind is not None else "" for kind in kinds]
            if "perdure.Cancelled" in names:
                return  # it knows of Cancelled: what comes to later handlers is something else
            raises = any(isinstance(part, ast.Raise) for part in statements(handler.body))
            if ("" in names or "builtins.BaseException" in names) and not raises:
                self._find(handler, f"except {ast.unparse(handler.type)}" if handler.type else "except:", SWALLOWS, lines=1)
        for statement in statements(node.finalbody):
            if isinstance(statement, ast.Return):
                self._find(statement, "return in a finally", SWALLOWS)

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and self.resolver.meaning(call.func, self._scope) == "contextlib.suppress":
                names = [self.resolver.meaning(kind, self._scope) for kind in call.args]
                if "builtins.BaseException" in names and _awaits(node.body):
                    self._find(call, ast.unparse(call), SWALLOWS)
        self.generic_visit(node)

    # -- state that is shared ------------------------------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._stores(target)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._stores(node.target)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._stores(node.target)
            self.visit(node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._stores(target)
        self.generic_visit(node)

    def _stores(self, target: ast.expr) -> None:
        match target:
            case ast.Name(id=name) if name in self._scope.globals:
                self._find(target, f"global {name} is set", SHARED)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self._stores(part)
            case ast.Subscript(value=value) | ast.Attribute(value=value):
                self._changes(value, target, f"{ast.unparse(target)} is set")
            case _:
                return

    def _changes(self, base: ast.expr, node: ast.expr, what: str, *, only_displays: bool = False) -> None:
        """A change of what a name of the module is bound to."""
        while isinstance(base, ast.Subscript | ast.Attribute):
            base = base.value
        if not isinstance(base, ast.Name) or self._is_local(base.id):
            return
        bound = self._module.bound.get(base.id)
        if bound is None or not isinstance(bound.to, ast.expr):
            return
        if only_displays and not self._is_mutable(bound.to):
            return
        self._find(node, what, SHARED)

    def _is_local(self, name: str) -> bool:
        scope: Scope | None = self._scope
        while scope is not None:
            if name in scope.locals or name in scope.itself:
                return True
            scope = scope.around
        return False

    def _is_mutable(self, value: ast.expr) -> bool:
        if isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
            return True
        function = self.resolver.meaning(value.func, Scope(self._module)) if isinstance(value, ast.Call) else None
        return isinstance(function, str) and (function in MUTABLE or f"{function}()" in MUTABLE)

    # -- what was found ------------------------------------------------------------------------------------------------

    def _find(self, node: ast.expr | ast.stmt | ast.ExceptHandler, found: str, rule: Rule, *, lines: int = 0) -> None:
        last = node.lineno + lines - 1 if lines else node.end_lineno or node.lineno
        if not self._module.allowed.isdisjoint(range(node.lineno, last + 1)):
            self.allowed.add(f"{self._module.path}:{node.lineno}")
            return
        place = (self._module.path, node.lineno, node.col_offset + 1)
        self.findings.append(Finding(*place, ".".join(self._names), found, rule.why, rule.instead, self.workflow))


def _may_pass(call: ast.Call) -> float:
    """How many arguments a call passes at most: one that spreads some may pass any number."""
    spread = any(isinstance(one, ast.Starred) for one in call.args) or any(keyword.arg is None for keyword in call.keywords)
    return math.inf if spread else len(call.args) + len(call.keywords)


def _is_method(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == name


def _awaits(body: Iterable[ast.stmt]) -> bool:
    """Whether a body, without the functions in it, awaits."""
    todo: list[ast.AST] = [*body]
    while todo:
        part = todo.pop()
        if isinstance(part, ast.Await | ast.AsyncFor | ast.AsyncWith):
            return True
        if not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            todo.extend(ast.iter_child_nodes(part))
    return False
