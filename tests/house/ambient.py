"""Finds in a syntax tree what makes a program depend on more than its input: clocks, chance, threads, sockets, loops, order of sets."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

MODULES = frozenset(
    "asyncio trio sniffio time random secrets uuid threading _thread concurrent multiprocessing socket select selectors ssl http urllib "
    "subprocess signal os sys platform getpass locale tempfile sqlite3 aiosqlite nats ctypes gc weakref pickle".split()
)
NAMES = frozenset("open input print exec eval compile __import__ hash globals Random".split())
TYPES = {"random": frozenset({"Random"}), "uuid": frozenset({"UUID"})}
"""Pure types of modules that are otherwise banned: they may be named; a `Random` may not be made."""
ATTRIBUTES = {
    "datetime": frozenset({"now", "utcnow", "today"}),
    "date": frozenset({"today"}),
    "anyio": frozenset(
        "current_time sleep_until to_thread from_thread to_process to_interpreter open_file Path run_process open_process connect_tcp "
        "create_tcp_listener create_udp_socket connect_unix run open_signal_receiver getaddrinfo".split()
    ),
}
UNORDERED = frozenset({"set", "frozenset", "Set", "AbstractSet", "FrozenSet", "MutableSet"})
KEEPS_ORDER_OPEN = frozenset("sorted set frozenset sum min max any all len".split())
"""Callers for which the order of what they are given makes no difference."""


@dataclass(frozen=True)
class Finding:
    """One dependence on the surroundings: `what` is the name that an allowance must give."""

    what: str
    line: int


def findings(tree: ast.Module) -> list[Finding]:
    """Everything ambient in a module, in the order of its lines."""
    sets = _set_names(tree)
    harmless = _harmless(tree)
    found = {finding for node in ast.walk(tree) for finding in _of(node, sets, harmless)}
    return sorted(found, key=lambda finding: (finding.line, finding.what))


def _of(node: ast.AST, sets: frozenset[str], harmless: frozenset[int]) -> Iterator[Finding]:
    match node:
        case ast.Import():
            yield from (Finding(root, node.lineno) for alias in node.names if (root := alias.name.split(".")[0]) in MODULES)
        case ast.ImportFrom(level=0, module=str(module)):
            root = module.split(".")[0]
            if root in MODULES and not {alias.name for alias in node.names} <= TYPES.get(root, frozenset()):
                yield Finding(root, node.lineno)
            banned = ATTRIBUTES.get(root, frozenset()) if root == "anyio" else frozenset[str]()
            yield from (Finding(f"{root}.{alias.name}", node.lineno) for alias in node.names if alias.name in banned)
        case ast.Call(func=ast.Attribute(attr="sleep"), args=[ast.Constant(value=0)]):
            return
        case ast.Call(func=ast.Attribute(value=ast.Name(id="anyio"), attr="sleep")):
            yield Finding("anyio.sleep", node.lineno)
        case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name) if name in ATTRIBUTES.get(owner, ()):
            yield Finding(f"{owner}.{name}", node.lineno)
        case ast.Call(func=ast.Name(id=name)) if name in NAMES:
            yield Finding(name, node.lineno)
        case ast.For(iter=source) | ast.Starred(value=source) if _is_set(source, sets):
            yield Finding(f"order of {ast.unparse(source)}", node.lineno)
        case ast.ListComp() | ast.DictComp() | ast.GeneratorExp() if id(node) not in harmless:
            yield from (Finding(f"order of {ast.unparse(g.iter)}", node.lineno) for g in node.generators if _is_set(g.iter, sets))
        case ast.Call(func=ast.Name(id="list" | "tuple" | "iter" | "enumerate" | "next" | "zip" | "map"), args=args):
            yield from (Finding(f"order of {ast.unparse(arg)}", node.lineno) for arg in args if _is_set(arg, sets))
        case _:
            return


def _set_names(tree: ast.Module) -> frozenset[str]:
    """Names and attributes that this module declares, or first binds, as sets and as nothing else."""
    declared: dict[str, bool] = {}
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name), annotation=annotation):
                declared[name] = declared.get(name, True) and _says_set(annotation)
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                declared[name] = declared.get(name, True) and _says_set(annotation)
            case ast.Assign(targets=[ast.Name(id=name) | ast.Attribute(attr=name)], value=value):
                declared[name] = declared.get(name, True) and _is_set(value, frozenset())
            case _:
                continue
    return frozenset(name for name, is_set in declared.items() if is_set)


def _says_set(annotation: ast.expr) -> bool:
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return isinstance(outer, ast.Name) and outer.id in UNORDERED


def _is_set(node: ast.expr, sets: frozenset[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in sets
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
            return _is_set(left, sets)
        case _:
            return False


def _harmless(tree: ast.Module) -> frozenset[int]:
    """Comprehensions that feed straight into a caller for which order makes no difference."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    taking = (call for call in calls if isinstance(call.func, ast.Name) and call.func.id in KEEPS_ORDER_OPEN)
    return frozenset(id(argument) for call in taking for argument in call.args)
