"""Artifacts over HTTP: what a run has stored, named by what it is, whole or in part.

A name is looked up among those that the run has stored, and leads to no path.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta
from mimetypes import guess_type

from msgspec import Raw, Struct

from ...eventlog.blobs import Artifact
from ...eventlog.errors import Corrupt, PerdureError
from ...runtime.artifacts import artifact_in
from ...runtime.authoring.words import EPOCH, moment
from .etags import is_had, tag_of
from .operations import Answer, Call, Operation
from .runs import RUN

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
NOTHING = Raw(b"")


class ArtifactLine(Struct, frozen=True, omit_defaults=True):
    """What a run has stored under a name: SHA-256 in hexadecimal, bytes, and what its name says it is.

    `gone`: since when its content is kept no longer; left out while it is.
    """

    name: str
    digest: str
    size: int
    media: str
    gone: datetime | None = None

    def artifact(self) -> Artifact:
        """What it was made from."""
        return Artifact(self.name, self.digest, self.size, 0 if self.gone is None else (self.gone - EPOCH) // timedelta(microseconds=1))


class ArtifactPage(Struct, frozen=True):
    """All that a run has stored, by name the last of each."""

    run: str
    artifacts: list[ArtifactLine]


class UnfitRange(PerdureError):
    """The part that was asked for does not lie in the artifact."""

    code, http_status = "unfit_range", 416
    headers: Mapping[str, str] = {}
    """What the answer says beside the problem: how long the artifact is."""


async def listed(call: Call) -> Answer:
    found = await call.runtime.artifacts(call.run, tenant=call.tenant)
    return Answer(ArtifactPage(call.run, [line_of(one) for one in found.values()]))


def line_of(one: Artifact) -> ArtifactLine:
    return ArtifactLine(one.name, one.digest, one.size, media_of(one.name), moment(one.gone) if one.gone else None)


async def content(call: Call) -> Answer:
    name = call.parts["name"]
    found = artifact_in(await call.runtime.artifacts(call.run, tenant=call.tenant), call.run, name)
    headers = headers_of(found)
    if is_had(call.headers.get("if-none-match", ""), found.digest):
        return Answer(NOTHING, 304, headers)
    if call.head:
        return Answer(NOTHING, headers=headers | {"content-length": str(found.size)}, media=media_of(name))
    first, end, part = 0, found.size, range_in(call.headers.get("range", ""), found)
    if part is not None and call.headers.get("if-range", tag_of(found.digest)) == tag_of(found.digest):
        first, end = part
        headers["content-range"] = f"bytes {first}-{end - 1}/{found.size}"
    else:
        part = None
    headers["content-length"] = str(end - first)
    chunks = call.runtime.artifact(call.run, name, tenant=call.tenant)
    stream = await begun(between(chunks, first, end))
    return Answer(stream=stream, status=200 if part is None else 206, headers=headers, media=media_of(name))


def headers_of(found: Artifact) -> dict[str, str]:
    """A browser keeps it and never runs it; who reads it can check it."""
    return {
        "etag": tag_of(found.digest),
        "repr-digest": f"sha-256=:{b64encode(bytes.fromhex(found.digest)).decode()}:",
        "accept-ranges": "bytes",
        "content-disposition": "attachment",
        "cache-control": "private, no-cache",
        "content-security-policy": "sandbox; default-src 'none'",
    }


def media_of(name: str) -> str:
    return guess_type(name, strict=True)[0] or "application/octet-stream"


def range_in(header: str, found: Artifact) -> tuple[int, int] | None:
    """(first byte, the one behind the last) of the one part that is asked for; None where all of it is, or what nobody can read."""
    told = RANGE.fullmatch(header.strip())
    if told is None or not (told[1] or told[2]):
        return None
    if told[1] and told[2] and int(told[1]) > int(told[2]):
        return None  # no range at all, says RFC 9110
    if not told[1]:
        first, end = max(0, found.size - int(told[2])), found.size
    else:
        first, end = int(told[1]), min(found.size, int(told[2]) + 1 if told[2] else found.size)
    if first >= end:
        unfit = UnfitRange("no such part of the artifact", who=f"artifact {found.name!r}", where="header range", found=header[:60],
                         expected=f"bytes=0-{max(0, found.size - 1)}, or a part of that", instead="ask for a part that it has")
        unfit.headers = {"content-range": f"bytes */{found.size}"}
        raise unfit
    return first, end


async def between(chunks: AsyncGenerator[bytes], first: int, end: int) -> AsyncGenerator[bytes]:
    """The bytes from `first` on, up to `end`."""
    place = 0
    async for chunk in chunks:
        part = chunk[max(0, first - place) : max(0, end - place)]
        place += len(chunk)
        if part:
            yield part
        if place >= end:
            break
    await chunks.aclose()
    if place < end:
        raise Corrupt("an artifact is shorter than its run says", who="an artifact", expected=f"{end} bytes", found=f"{place} bytes",
                      instead="run 'perdure log verify' to see how far the damage goes")


async def begun(stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The stream, its first piece fetched: what goes wrong before it is still an answer."""
    try:
        first = await anext(stream)
    except StopAsyncIteration:
        first = b""

    async def whole() -> AsyncGenerator[bytes]:
        yield first
        async for piece in stream:
            yield piece

    return whole()


OPERATIONS = (
    Operation(name="runs.artifacts", method="GET", path=f"{RUN}/artifacts", perform=listed, answers={200: ArtifactPage}, head=True,
              summary="What a run has stored"),
    Operation(name="runs.artifact", method="GET", path=f"{RUN}/artifacts/{{name}}", perform=content,
              answers={200: bytes, 206: bytes, 304: None}, problems=(410, 416), media=("*/*",), head=True,
              headers={"Range": "bytes=FIRST-LAST", "If-Range": "The ETag of what the part is of",
                       "If-None-Match": "The ETag of what you have"},
              summary="The content of an artifact, whole or a range of bytes"),
)  # fmt: skip
