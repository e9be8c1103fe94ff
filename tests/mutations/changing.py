"""Changes of code, drawn by chance: each takes the tree of a program and gives it back changed, or says that it finds no place."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple, TypeVar

N = TypeVar("N", bound=ast.AST)
Function = ast.FunctionDef | ast.AsyncFunctionDef
Mutator = Callable[["Program", Random], bool]

STEPS = {"say": '"gone"', "tell": '"gone"', "add": "0", "flaky": "0", "fail": '"gone"', "signal": '"gone"', "sleep": "None"}
"""What may be awaited alone, and what stands in its place where it is taken out."""


class Program(NamedTuple):
    """The tree of a module with the steps and one workflow."""

    module: ast.Module
    flow: ast.AsyncFunctionDef

    @classmethod
    def of(cls, text: str, flow: str) -> Program:
        """The program of one workflow, without imports and other workflows."""
        body = [node for node in ast.parse(text).body if isinstance(node, ast.AsyncFunctionDef) and (_is_step(node) or node.name == flow)]
        found = copy.deepcopy(ast.Module([*body], []))
        return cls(found, next(node for node in found.body if isinstance(node, ast.AsyncFunctionDef) and node.name == flow))

    def text(self) -> str:
        return ast.unparse(ast.fix_missing_locations(self.module)) + "\n"

    def all(self, kind: type[N]) -> list[N]:
        return [node for node in ast.walk(self.flow) if isinstance(node, kind)]

    def blocks(self) -> list[list[ast.stmt]]:
        """Every list of statements of the workflow, those of its inner functions too."""
        return [block for node in ast.walk(self.flow) for block in _blocks_of(node)]

    def spots(self) -> list[tuple[list[ast.stmt], int]]:
        """Every place before a statement."""
        return [(block, place) for block in self.blocks() for place in range(len(block))]

    def waits(self) -> list[tuple[list[ast.stmt], int]]:
        """Every statement that awaits one thing and is no block itself."""
        return [(block, place) for block, place in self.spots() if _awaited(block[place]) is not None]

    def calls(self, *names: str) -> list[ast.Call]:
        return [call for call in self.all(ast.Call) if _name(call) in names]


def _is_step(node: ast.AsyncFunctionDef) -> bool:
    return any("step" in ast.unparse(decorator) for decorator in node.decorator_list)


def _blocks_of(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        if isinstance(block, list) and block:
            yield block


def _name(call: ast.expr | None) -> str:
    return call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""


def _awaited(statement: ast.stmt) -> ast.Await | None:
    """The await of a statement like `x = await say("a")`."""
    value = statement.value if isinstance(statement, ast.Assign | ast.Expr | ast.AugAssign) else None
    if isinstance(value, ast.Call) and value.args and isinstance(value.args[0], ast.Await):
        value = value.args[0]
    return value if isinstance(value, ast.Await) and _name(value.value) in STEPS else None


def _must_await(statement: ast.stmt) -> ast.Await:
    awaited = _awaited(statement)
    assert awaited is not None
    return awaited


def _parsed(text: str) -> ast.stmt:
    return ast.parse(text).body[0]


def _value(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _insert(program: Program, random: Random, text: str, *, last: bool = False) -> bool:
    spots = program.spots()
    block, place = (program.flow.body, len(program.flow.body) - 1) if last else random.choice(spots)
    block.insert(place, _parsed(text))
    return True


class Replaced(ast.NodeTransformer):
    """Puts another node in the place of one."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)


def _replace(block: list[ast.stmt], place: int, old: ast.expr, new: ast.expr) -> None:
    """Put another expression in the place of one within a statement."""
    changed = Replaced(old, new).visit(block[place])
    assert isinstance(changed, ast.stmt)
    block[place] = changed


# -- what the code asks for --------------------------------------------------------------------------------------------


def insert_a_step(program: Program, random: Random) -> bool:
    return _insert(program, random, random.choice(['await say("new")', "await add(7, 7)", "await sleep(timedelta(seconds=5))"]))


def insert_a_race(program: Program, random: Random) -> bool:
    return _insert(program, random, 'await first_of(say("new"), sleep(timedelta(seconds=90)))')


def delete_an_await(program: Program, random: Random) -> bool:
    block, place = random.choice(program.waits())
    awaited = _must_await(block[place])
    _replace(block, place, awaited, _value(STEPS[_name(awaited.value)]))
    return True


def duplicate_an_await(program: Program, random: Random) -> bool:
    block, place = random.choice(program.waits())
    block.insert(place, copy.deepcopy(block[place]))
    return True


def swap_two_awaits(program: Program, random: Random) -> bool:
    pairs = [(block, place) for block, place in program.waits() if place + 1 < len(block) and _awaited(block[place + 1]) is not None]
    if not pairs:
        return False
    block, place = random.choice(pairs)
    block[place], block[place + 1] = block[place + 1], block[place]
    return True


def rename_a_step(program: Program, random: Random) -> bool:
    old = random.choice([_name(call) for call in program.calls("say", "tell", "add")])
    for node in ast.walk(program.module):
        if isinstance(node, ast.Name) and node.id == old:
            node.id = f"{old}_it"
        elif isinstance(node, ast.AsyncFunctionDef) and node.name == old:
            node.name = f"{old}_it"
    return True


def call_another_step(program: Program, random: Random) -> bool:
    call = random.choice(program.calls("say", "tell"))
    call.func = ast.Name("tell" if _name(call) == "say" else "say", ast.Load())
    return True


def change_an_argument(program: Program, random: Random) -> bool:
    found = [arg for call in program.calls("say", "tell", "add", "flaky", "fail") for arg in call.args if isinstance(arg, ast.Constant)]
    if not found:
        return False
    constant = random.choice(found)
    constant.value = constant.value + 1 if isinstance(constant.value, int) else str(constant.value) + "!"
    return True


def change_a_duration(program: Program, random: Random) -> bool:
    found = [word.value for call in program.calls("timedelta") for word in call.keywords if isinstance(word.value, ast.Constant)]
    if not found:
        return False
    constant = random.choice(found)
    assert isinstance(constant.value, int)
    constant.value += 1
    return True


def change_a_signal(program: Program, random: Random) -> bool:
    found = program.calls("signal")
    if not found:
        return False
    random.choice(found).args[0] = ast.Constant("another")
    return True


def wrap_in_a_branch(program: Program, random: Random) -> bool:
    block, place = random.choice(program.waits())
    awaited = _must_await(block[place])
    _replace(block, place, awaited, _value(f"(await gather({ast.unparse(awaited.value)}))[0]"))
    return True


def wrap_in_a_timeout(program: Program, random: Random) -> bool:
    block, place = random.choice(program.waits())
    outer = _parsed("async with timeout(timedelta(days=60)):\n    pass")
    assert isinstance(outer, ast.AsyncWith)
    outer.body = [block[place]]
    block[place] = outer
    return True


def reorder_members(program: Program, random: Random) -> bool:
    found = [call for call in program.calls("gather", "first_of") if len(call.args) > 1]
    if not found:
        return False
    args = random.choice(found).args
    place = random.randrange(len(args) - 1)
    args[place], args[place + 1] = args[place + 1], args[place]
    return True


def add_a_member(program: Program, random: Random) -> bool:
    found = program.calls("gather", "first_of")
    if not found:
        return False
    random.choice(found).args.append(_value('say("one more")'))
    return True


def rename_a_branch(program: Program, random: Random) -> bool:
    found = [word.value for call in program.all(ast.Call) for word in call.keywords if word.arg == "name"]
    names = [value for value in found if isinstance(value, ast.Constant)]
    if not names:
        return False
    random.choice(names).value = "renamed"
    return True


def reorder_named_branches(program: Program, random: Random) -> bool:
    """Named branches keep their ids wherever they begin, but not those behind them that are numbered."""
    starts = [(block, place) for block, place in program.spots() if ".start(" in ast.unparse(block[place]).splitlines()[0]]
    pairs = [(block, place) for block, place in starts if (block, place + 1) in starts]
    if not pairs:
        return False
    block, place = random.choice(pairs)
    block[place], block[place + 1] = block[place + 1], block[place]
    return True


def end_early(program: Program, random: Random) -> bool:
    block, place = random.choice(program.spots())
    block.insert(place, _parsed(random.choice(['return "early"', 'raise RuntimeError("changed")'])))
    return True


def one_round_more(program: Program, random: Random) -> bool:
    found = [call.args[0] for call in program.calls("range") if isinstance(call.args[0], ast.Constant)]
    if not found:
        return False
    constant = random.choice(found)
    assert isinstance(constant.value, int)
    constant.value += random.choice([-1, 1])
    return True


# -- what lies behind, or leaves no trace -------------------------------------------------------------------------------


def change_the_end(program: Program, random: Random) -> bool:
    return _insert(program, random, 'await gather(say("behind"), sleep(timedelta(seconds=3)))', last=True)


def change_the_result(program: Program, random: Random) -> bool:
    program.flow.body[-1] = _parsed('return "something else"')
    return True


def add_pure_code(program: Program, random: Random) -> bool:
    return _insert(program, random, "spare = sorted(str(number) for number in range(10))")


def add_a_log_line(program: Program, random: Random) -> bool:
    return _insert(program, random, 'log("here", level="info")')


def add_attributes(program: Program, random: Random) -> bool:
    return _insert(program, random, 'attributes(stage="here")')


def add_patched_code(program: Program, random: Random) -> bool:
    return _insert(program, random, 'if patched("more"):\n    await say("patched")')


def patch_twice(program: Program, random: Random) -> bool:
    _insert(program, random, 'if patched("more"):\n    await tell("patched")')
    return _insert(program, random, 'if patched("more"):\n    await add(8, 9)')


def rename_variables(program: Program, random: Random) -> bool:
    names = sorted({node.id for node in program.all(ast.Name) if isinstance(node.ctx, ast.Store)})
    old = random.choice(names)
    for node in program.all(ast.Name):
        if node.id == old:
            node.id = f"{old}_renamed"
    return True


def use_keywords(program: Program, random: Random) -> bool:
    found = [call for call in program.calls("say", "tell") if call.args]
    call = random.choice(found)
    call.keywords, call.args = [ast.keyword("word", call.args[0])], []
    return True


def move_into_a_helper(program: Program, random: Random) -> bool:
    """A coroutine that is awaited shares its caller's branch."""
    block, place = random.choice(program.waits())
    awaited = _must_await(block[place])
    helper = _parsed(f"async def helper():\n    return await {ast.unparse(awaited.value)}")
    _replace(block, place, awaited, _value("await helper()"))
    block.insert(place, helper)
    return True


def wrap_in_a_block(program: Program, random: Random) -> bool:
    block, place = random.choice(program.waits())
    outer = _parsed(random.choice(["if True:\n    pass", "try:\n    pass\nfinally:\n    str()"]))
    assert isinstance(outer, ast.If | ast.Try)
    outer.body = [block[place]]
    block[place] = outer
    return True


def change_a_body(program: Program, random: Random) -> bool:
    """What a step does is no part of what the workflow asks for."""
    steps: Sequence[Function] = [node for node in program.module.body if isinstance(node, Function) and node is not program.flow]
    random.choice(steps).body.insert(1, _parsed("spare = [number * number for number in range(3)]"))
    return True


def reorder_pure_code(program: Program, random: Random) -> bool:
    pure = [(block, place) for block, place in program.spots() if _is_pure(block[place])]
    pairs = [(block, place) for block, place in pure if (block, place + 1) in pure]
    if not pairs:
        return False
    block, place = random.choice(pairs)
    block[place], block[place + 1] = block[place + 1], block[place]
    return True


def _is_pure(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant | ast.List)


MUTATORS: tuple[Mutator, ...] = (
    insert_a_step, rename_variables, delete_an_await, add_pure_code, duplicate_an_await, add_a_log_line, swap_two_awaits, add_attributes,
    rename_a_step, add_patched_code, call_another_step, use_keywords, change_an_argument, move_into_a_helper, change_a_duration,
    wrap_in_a_block, wrap_in_a_branch, change_a_body, reorder_members, reorder_pure_code, add_a_member, change_the_end, insert_a_race,
    patch_twice, rename_a_branch, change_the_result, end_early, reorder_named_branches, wrap_in_a_timeout, change_a_signal, one_round_more,
)  # fmt: skip
