"""Reading source: what workflow code may not do is found at its line, and what it may is left in peace."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from perdure import Invalid, NotFound
from perdure.runtime.inspect.checking.findings import Checked
from perdure.runtime.inspect.checking.program import Source
from perdure.runtime.inspect.checking.source import check


def checked(**modules: str) -> Checked:
    """A check of the first of these modules; `shop__pricing` stands for shop.pricing, `shop` beside it is its package."""
    texts = {name.replace("__", "."): dedent(text) for name, text in modules.items()}
    packages = {name for name in texts if any(other.startswith(f"{name}.") for other in texts)}

    def find(name: str) -> Source | None:
        path = name.replace(".", "/") + ("/__init__.py" if name in packages else ".py")
        return Source(name, path, texts[name], name in packages) if name in texts else None

    return check(next(iter(texts)), find)


def in_workflow(head: str, body: str) -> list[tuple[int, str]]:
    """(line of the body, what was found) for a workflow of these lines below these imports."""
    heading = dedent(head).strip("\n")
    text = f"import perdure\n{heading}\n\n@perdure.workflow\nasync def flow(n: int, names: set[str]):\n{indent(body, '    ')}\n"
    before = text[: text.index("async def flow")].count("\n") + 1
    return [(finding.line - before, finding.found) for finding in checked(flows=text).findings]


FOUND = [
    ("import time", "x = time.time()", "time.time()"),
    ("from time import time as t", "x = t()", "time.time()"),
    ("import time as clock", "clock.sleep(1)", "time.sleep()"),
    ("", "import time\nx = time.monotonic()", "time.monotonic()"),
    ("from time import *", "x = perf_counter()", "time.perf_counter()"),
    ("import time\nnow = time.time", "x = now()", "time.time()"),
    ("import time", "x = f(clock=time.time)", "time.time"),
    ("import time", "f = lambda: time.time_ns()", "time.time_ns()"),
    ("import time", "x = sorted([], key=time.ctime)", "time.ctime"),
    ("import time", "x = time.strftime('%Y')", "time.strftime()"),
    ("import datetime as dt", "x = dt.datetime.now(dt.UTC)", "datetime.datetime.now()"),
    ("from datetime import datetime", "x = datetime.utcnow()", "datetime.datetime.utcnow()"),
    ("from datetime import date", "x = date.today()", "datetime.date.today()"),
    ("from datetime import datetime", "x = datetime.fromtimestamp(3)", "datetime.datetime.fromtimestamp()"),
    ("import random", "x = random.choice([1, 2])", "random.choice()"),
    ("from random import randint as dice", "x = [dice(1, 6) for _ in range(n)]", "random.randint()"),
    ("from random import Random", "x = Random()", "random.Random()"),
    ("import secrets", "x = secrets.token_hex()", "secrets.token_hex()"),
    ("from uuid import uuid4", "x = str(uuid4())", "uuid.uuid4()"),
    ("import uuid", "x = uuid.uuid1().hex", "uuid.uuid1()"),
    ("import os", "x = os.urandom(8)", "os.urandom()"),
    ("import os", "x = os.environ['HOME']", "os.environ"),
    ("import os", "x = os.environ.get('HOME')", "os.environ"),
    ("from os import environ as env", "x = {**env}", "os.environ"),
    ("import os", "x = os.getenv('HOME')", "os.getenv()"),
    ("", "x = input()", "input()"),
    ("", "with open('a') as f:  #!\n    pass", "open()"),
    ("from pathlib import Path", "x = Path('a').read_text()", "pathlib.Path.read_text()"),
    ("from pathlib import Path", "p = Path('a')\np.write_text('b')", "pathlib.Path.write_text()"),
    ("import pathlib", "p = pathlib.Path('a') / 'b'\nx = [*p.iterdir()]", "pathlib.Path.iterdir()"),
    ("import os.path", "x = os.path.exists('a')", "os.path.exists()"),
    ("import shutil", "shutil.rmtree('a')", "shutil.rmtree()"),
    ("import socket", "x = socket.create_connection(('a', 1))", "socket.create_connection()"),
    ("import requests", "x = requests.get('u').json()", "requests.get()"),
    ("import httpx", "async with httpx.AsyncClient() as client:  #!\n    pass", "httpx.AsyncClient()"),
    ("from urllib.request import urlopen", "x = urlopen('u')", "urllib.request.urlopen()"),
    ("import subprocess as sp", "sp.run(['true'])", "subprocess.run()"),
    ("import os", "os.system('true')", "os.system()"),
    ("from threading import Thread, Lock", "x = Lock()", "threading.Lock()"),
    ("from concurrent.futures import ThreadPoolExecutor", "x = ThreadPoolExecutor()", "concurrent.futures.ThreadPoolExecutor()"),
    ("import asyncio", "await asyncio.sleep(1)", "asyncio.sleep()"),
    ("import asyncio", "x = asyncio.create_task(f())", "asyncio.create_task()"),
    ("import asyncio", "async with asyncio.timeout(1):  #!\n    pass", "asyncio.timeout()"),
    ("from asyncio import Lock", "x = Lock()", "asyncio.Lock()"),
    ("import anyio", "await anyio.to_thread.run_sync(f)", "anyio.to_thread.run_sync()"),
    ("import anyio", "with anyio.move_on_after(1):  #!\n    pass", "anyio.move_on_after()"),
    ("", "x = id(n)", "id()"),
    ("", "x = hash('a')", "hash()"),
    ("", "for x in {1, 2}:  #!\n    pass", "the order of {1, 2}"),
    ("", "x = list(set([n]))", "the order of set([n])"),
    ("", "for x in names:  #!\n    pass", "the order of names"),
    ("", "seen: set[str] = set()\nseen |= names\nx = ', '.join(seen)", "the order of seen"),
    ("", "x = [a for a in names - {'b'}]", "the order of names - {'b'}"),
    ("", "x = await perdure.gather(*{f(n)})", "the order of {f(n)}"),
    ("", "try:\n    await f()\nexcept:  #!\n    pass", "except:"),
    ("", "try:\n    await f()\nexcept BaseException as e:  #!\n    print(e)", "except BaseException"),
    ("", "try:\n    await f()\nexcept (ValueError, BaseException):  #!\n    x = 1", "except (ValueError, BaseException)"),
    ("", "try:\n    await f()\nfinally:\n    return 1", "return in a finally"),
    ("import contextlib", "with contextlib.suppress(BaseException):  #!\n    await f()", "contextlib.suppress(BaseException)"),
    ("COUNT = 0", "global COUNT\nCOUNT += 1", "global COUNT is set"),
    ("SEEN = {}", "SEEN[n] = True", "SEEN[n] is set"),
    ("SEEN = []", "SEEN.append(n)", "SEEN.append()"),
    ("from collections import defaultdict\nSEEN = defaultdict(list)", "SEEN[n].append(n)", "SEEN[n].append()"),
    ("import time", "async def inner():\n    return time.time()  #!\nawait inner()", "time.time()"),
    ("import asyncio", "c = [f(), g()]\nx = await asyncio.gather(*c)", "asyncio.gather()"),
    ("import random", "c = [[1, 2]]\nx = random.choice(*c)", "random.choice()"),
    ("", "k = {'mode': 'w'}\nx = open('a', **k)", "open()"),
    ("import httpx", "k = {'timeout': 3}\nx = httpx.get('u', **k)", "httpx.get()"),
    ("import os", "k = ['HOME']\nx = os.environ.get(*k)", "os.environ"),
    ("from datetime import timedelta", "perdure.sleep(timedelta(1))", "perdure.sleep(…) is not awaited"),
    ("from perdure import signal as told", "if n:\n    told('paid')", "told(…) is not awaited"),
    ("@perdure.step\ndef charge(n): ...", "perdure.gather(charge(n))", "perdure.gather(…) is not awaited"),
    ("@perdure.step\ndef charge(n): ...", "charge(n)", "charge(…) is not awaited"),
    ("from perdure import step, Retry\n@step(retry=Retry())\nasync def charge(n): ...", "charge(n)", "charge(…) is not awaited"),
    ("@perdure.workflow\nasync def other(n): ...", "other(n)", "other(…) is not awaited"),
    ("@perdure.workflow\nasync def other(n): ...", "perdure.start_child(other, n)", "perdure.start_child(…) is not awaited"),
    ("async def helper(): ...", "helper()", "helper(…) is not awaited"),
]
"""Head, body, what is found: on the body's last line, or on the one that is marked."""

LEFT_IN_PEACE = [
    ("import time", "x = perdure.now()"),
    ("import random", "x = perdure.random().choice([1, 2])"),
    ("from random import Random", "x = Random(7).random()"),
    ("from uuid import UUID, uuid5", "x = uuid5(UUID(int=1), 'a')"),
    ("from datetime import datetime, UTC", "x = datetime(2026, 1, 1, tzinfo=UTC).isoformat()"),
    ("from datetime import datetime, UTC", "x = datetime.fromtimestamp(3, UTC)"),
    ("import time", "x = time.strftime('%Y', (2026,) * 9)"),
    ("import random", "seed = [7]\nx = random.Random(*seed)"),
    ("from datetime import datetime, UTC", "k = {'tz': UTC}\nx = datetime.fromtimestamp(3, **k)"),
    ("import os", "x = os.path.join('a', 'b')"),
    ("from pathlib import PurePath, Path", "x = Path('a').name, PurePath('b').suffix"),
    ("import requests", "try:\n    await f()\nexcept requests.RequestException:\n    pass"),
    ("import asyncio", "x: asyncio.Lock | None = None"),
    ("", "for x in sorted({1, 2}):\n    pass"),
    ("", "x = min(a for a in names)\ny = {a for a in names}\nz = 'b' in names"),
    ("", "names.add('c')\nx = len(names)"),
    ("", "seen = {1: 2}\nfor x in seen:\n    pass"),
    ("", "try:\n    await f()\nexcept Exception:\n    pass"),
    ("", "try:\n    await f()\nexcept BaseException:\n    await g()\n    raise"),
    ("", "try:\n    x = int('a')\nexcept:\n    x = 0"),
    ("", "try:\n    await f()\nexcept perdure.Cancelled:\n    raise\nexcept BaseException:\n    pass"),
    ("SEEN = {}", "SEEN = {}\nSEEN[n] = 1"),
    ("TABLE = {1: 2}", "x = TABLE[n]"),
    ("", "time = 3\nx = time"),
    ("from time import time", "time = f\nx = time()"),
    ("import time", "@perdure.step\nasync def inner():\n    return time.time()\nawait inner()"),
    ("import time\n@perdure.step\nasync def inner():\n    return time.time()", "await inner()"),
    ("import time\nfrom perdure import step as task\n@task(timeout=None)\ndef inner():\n    return time.time()", "await inner()"),
    ("import time\ndef unused():\n    return time.time()", "x = 1"),
    ("import time\nSTARTED = time.time()", "x = 1"),
    ("import logging\nlogger = logging.getLogger()", "logger.info('a')"),
    ("", "open = f\nx = open('a')"),
    ("@perdure.step\nasync def charge(n): ...", "await charge(n)\nx = charge(n)\nawait x"),
    ("@perdure.step\nasync def charge(n): ...", "async with perdure.task_group() as it:\n    it.start(charge(n))"),
    ("@perdure.step\nasync def charge(n): ...", "group.start_soon(charge, n)"),
    ("@perdure.step\nasync def charge(n): ...", "async with perdure.saga() as undo:\n    undo(charge, n)"),
    ("", "perdure.log('a')\nperdure.attributes(n=n)\nperdure.on_signal('a', f)\nperdure.on_update('b', f)\nperdure.patched('c')"),
    ("from contextlib import asynccontextmanager\n@asynccontextmanager\nasync def opened():\n    yield", "opened()"),
    ("def plain(n): ...", "plain(n)\nnames.add('c')"),
    ("", "charge = f\ncharge(n)"),
]


@pytest.mark.parametrize(("head", "body", "what"), FOUND, ids=[f"{what} {number}" for number, (_, _, what) in enumerate(FOUND)])
def test_what_a_workflow_may_not_do_is_found_at_its_line(head: str, body: str, what: str) -> None:
    lines = body.splitlines()
    marked = next((number for number, line in enumerate(lines, 1) if line.endswith("#!")), len(lines))

    assert in_workflow(head, body) == [(marked, what)]


@pytest.mark.parametrize(("head", "body"), LEFT_IN_PEACE, ids=[body.replace("\n", "; ") for _, body in LEFT_IN_PEACE])
def test_what_a_workflow_may_do_is_left_in_peace(head: str, body: str) -> None:
    assert in_workflow(head, body) == []


def test_a_finding_says_where_what_why_and_what_to_write_instead() -> None:
    (finding,) = checked(flows="""
        import time, perdure

        @perdure.workflow(name="order", version=2)
        async def fulfil() -> float:
            return 1 + time.time()
    """).findings

    assert (finding.file, finding.line, finding.column) == ("flows.py", 6, 16)
    assert (finding.workflow, finding.function, finding.found, finding.instead) == ("fulfil", "fulfil", "time.time()", "perdure.now()")
    assert str(finding) == "flows.py:6:16 in fulfil: time.time(), but a clock shows another time at every replay; instead: perdure.now()"


def test_helpers_of_the_package_are_followed_wherever_they_are_imported_from() -> None:
    found = checked(
        shop__flows="""
            from perdure import workflow
            from . import tools
            from shop.pricing import quote as price
            from shop import stamp
            from outside import never_seen

            @workflow
            async def fulfil(n: int) -> None:
                price(n)
                stamp()
                await tools.deep.wait()
                never_seen()
        """,
        shop="from .tools.clocks import stamp",
        shop__pricing="""
            import random
            def quote(n: int) -> float:
                return discount(n)
            def discount(n: int) -> float:
                return n * random.random()
        """,
        shop__tools="from . import deep",
        shop__tools__clocks="import time as t\ndef stamp(): return t.time()",
        shop__tools__deep="import asyncio\nasync def wait(): await asyncio.sleep(1)\ndef other(): open('a')",
    )

    assert [(one.file, one.line, one.function) for one in found.findings] == [
        ("shop/pricing.py", 6, "discount"),
        ("shop/tools/clocks.py", 2, "stamp"),
        ("shop/tools/deep.py", 2, "wait"),
    ]
    assert {one.workflow for one in found.findings} == {"fulfil"}
    assert found.functions == 5


def test_methods_of_the_package_s_classes_are_followed() -> None:
    found = checked(flows="""
        import time, perdure

        class Base:
            def stamp(self): return time.time()

        class Order(Base):
            def __init__(self): self.made = time.time_ns()
            @property
            def age(self): return self._age()
            def _age(self): return time.monotonic()
            @perdure.step
            def kept(self): return time.perf_counter()

        DEFAULT = Order()

        @perdure.workflow
        async def flow(order: Order):
            made = Order()
            order.stamp(), made.age, DEFAULT.age, order.kept()
    """)

    assert [(one.line, one.found) for one in found.findings] == [(5, "time.time()"), (8, "time.time_ns()"), (11, "time.monotonic()")]


def test_workflows_are_known_by_any_name_of_the_decorator() -> None:
    found = checked(flows="""
        import perdure as p
        from perdure import workflow as durable

        second = durable(version=2)

        @p.workflow
        async def a(): ...
        @durable(name="other")
        async def b(): ...
        @second
        async def c(): ...
        async def plain(): ...
        d = durable(plain)
        async def never(): open("a")
    """)

    assert found.workflows == ["a", "b", "c", "d"]
    assert found.findings == []


def test_a_comment_allows_what_stands_on_its_line_and_is_counted() -> None:
    found = checked(flows="""
        import time, perdure

        @perdure.workflow
        async def flow():
            a = time.time()  # perdure: allow - shown to people only
            b = dict(
                a=time.time(),  #perdure:allow
                b=time.time(),
            )
            c = "# perdure: allow", time.time()
    """)

    assert [one.line for one in found.findings] == [9, 11]
    assert found.allowed == ["flows.py:6", "flows.py:8"]


def test_code_that_turns_in_circles_ends() -> None:
    found = checked(
        flows="""
            import perdure
            from other import b as a
            x = y
            y = x
            class A(A): ...
            def again(): return again() + a() + x() + A().gone()

            @perdure.workflow
            async def flow():
                n = n.m
                again()
        """,
        other="from flows import a as b",
    )

    assert (found.functions, found.findings) == (2, [])


def test_a_module_without_workflows_is_not_found() -> None:
    with pytest.raises(NotFound, match="holds no workflow") as caught:
        checked(flows="import time\ntime.time()")

    assert caught.value.where == "flows.py"


def test_source_that_does_not_parse_is_invalid_with_its_line() -> None:
    with pytest.raises(Invalid, match="does not parse") as caught:
        checked(flows="import perdure\n\ndef broken(:\n")

    assert caught.value.where == "flows.py:3"
