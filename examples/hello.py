"""The smallest workflow: two steps, one after the other. Run it twice with the same id: the second time nothing is done again."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import perdure
from perdure import step, workflow


@step
async def greet(name: str) -> str:
    print("  greeting", name)
    return f"Hello, {name}!"


@step
def shout(text: str) -> str:
    print("  shouting")
    return text.upper()


@workflow
async def hello(name: str) -> str:
    greeting = await greet(name)
    return await shout(greeting)


async def main() -> None:
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'hello.db'}"
        for opening in ("first", "second"):
            print(f"the {opening} time:")
            async with perdure.open(url, workflows=[hello]) as runtime:
                run = await runtime.start(hello, "world", id="hello-1")
                print(" ", await run.result())


if __name__ == "__main__":
    asyncio.run(main())
