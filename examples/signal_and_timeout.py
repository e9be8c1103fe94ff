"""A run that waits for a person, but not for ever. While it waits the process may end: the wait is in the log."""

import asyncio
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import perdure
from perdure import signal, step, timeout, workflow


@step
async def publish(title: str, editor: str) -> str:
    return f"{title!r} is published, says {editor}"


@workflow
async def article(title: str, patience: timedelta) -> str:
    try:
        async with timeout(patience):
            editor = await signal("approved", str)
    except TimeoutError:
        return f"{title!r} was forgotten"
    return await publish(title, editor)


async def main() -> None:
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'articles.db'}"

        async with perdure.open(url, workflows=[article]) as runtime:
            await runtime.start(article, "On lasting", timedelta(days=3), id="article-1")
            await runtime.start(article, "On haste", timedelta(milliseconds=50), id="article-2")

        async with perdure.open(url, workflows=[article]) as runtime:  # as if days had passed and the machine had been restarted
            await runtime.run("article-1").signal("approved", "Ada")
            for id in ("article-1", "article-2"):
                print(await runtime.run(id).result())


if __name__ == "__main__":
    asyncio.run(main())
