"""Checking a module by its source alone: nothing is imported and nothing runs."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator

from ....eventlog.errors import NotFound
from .findings import Checked, Finding
from .meaning import STEP, WORKFLOW, Resolver
from .program import Definition, Find, Instance, Module, Program
from .reading import Reading
from .scopes import Scope

FUNCTIONS_MAX = 10_000
"""How many functions are read at most."""


def check(module_name: str, find: Find) -> Checked:
    """Read the workflows of a module and what they call in its package.

    NotFound where there is no workflow, Invalid where a module does not parse.
    """
    program = Program(find)
    module = program.module(module_name)
    if module is None:
        raise NotFound("there is no such module", who=f"module {module_name!r}", expected="a module with its source", found="none")
    resolver = Resolver(program)
    workflows = dict(workflows_of(module, resolver))
    if not workflows:
        raise NotFound(
            "the module holds no workflow",
            who=f"module {module_name!r}",
            where=module.path,
            expected="functions decorated with @workflow",
            found="none",
            instead="name the module that defines the workflow",
        )
    findings: list[Finding] = []
    allowed, seen = set[str](), set[str]()
    waiting = deque((definition, name) for name, definition in workflows.items())
    while waiting and len(seen) < FUNCTIONS_MAX:
        definition, workflow = waiting.popleft()
        if definition.name in seen or resolver.decorated(definition, STEP):
            continue
        seen.add(definition.name)
        reading = Reading(definition, resolver, workflow)
        reading.read()
        findings += reading.findings
        allowed |= reading.allowed
        waiting.extend((called, workflow) for called in reading.refers)
    return Checked(module_name, list(workflows), len(seen), sorted(set(findings)), sorted(allowed))


def workflows_of(module: Module, resolver: Resolver) -> Iterator[tuple[str, Definition]]:
    """The workflows that a module defines or imports from its package, by their names in it."""
    scope = Scope(module)
    for name, bound in module.bound.items():
        to = bound.to
        if isinstance(to, ast.Call):
            made = resolver.name_of(resolver.meaning(to.func, scope)).removesuffix("()")
            plain = resolver.meaning(to.args[0], scope) if made in WORKFLOW and to.args else None
            if isinstance(plain, Definition):
                yield name, plain
            continue
        meaning = resolver.meaning(ast.Name(name, ast.Load()), scope)
        found = meaning.of if isinstance(meaning, Instance) else meaning
        if isinstance(found, Definition) and not isinstance(found.node, ast.ClassDef) and resolver.decorated(found, WORKFLOW):
            yield name, found
