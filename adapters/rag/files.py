"""Finding documents: the files below given paths, in an order of their own, and what documents say, wherever they came from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ...eventlog.errors import Invalid, NotFound
from .markup import FORMATS, PARTS_MAX, Part
from .passages import OVERLAP, SIZE

BYTES_MAX = 8 * 1024 * 1024
FILES_MAX = 1_000_000
READING = f"1/{SIZE}/{OVERLAP}"
"""How documents are read and cut: a change makes each of them another."""
PASSED_BY = frozenset({"__pycache__", "node_modules", "site-packages"})
"""Folders that hold no documents; hidden ones are passed by, too."""


class Content(Struct, frozen=True):
    """A file as it is now."""

    digest: str
    """SHA-256 of how it is read and of its bytes."""
    text: str


class Unreadable(Exception):
    """A file that is left out, with the reason."""


def found_in(paths: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """(file, why it is left out; empty where it is not) of what is there. A path that is a file itself is taken whatever it ends with.

    No link to a folder is followed, and none to a file elsewhere than below the folder that was named.
    """
    files: dict[Path, str] = {}
    for path in paths:
        for file, why in _below(Path(path)):
            files[file] = why if files.get(file, why) else ""  # one way to it is enough
    if len(files) > FILES_MAX:
        raise Invalid("there are too many files", who="documents", expected=f"at most {FILES_MAX}", found=str(len(files)),
                      instead="name fewer folders, and several collections")
    return iter(files.items())


def _below(path: Path) -> Iterable[tuple[Path, str]]:
    if path.is_file():
        yield path, ""
        return
    if not path.is_dir():
        raise NotFound("there is no such file or folder", who="documents", where=str(path), expected="files or folders",
                       found="nothing there", instead="correct the path")
    whole = path.resolve()
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in PASSED_BY)
        yield from ((Path(folder, file), _why_not(Path(folder, file), whole)) for file in sorted(files) if not file.startswith("."))


def _why_not(file: Path, whole: Path) -> str:
    """Why a file below a folder is left out; empty where it is not."""
    if file.suffix.lower() not in FORMATS:
        return f"none of the known formats: {', '.join(sorted(FORMATS))}"
    if file.is_symlink() and not file.resolve().is_relative_to(whole):
        return "a link to a file outside of the folder"
    return ""


def content_of(path: Path) -> Content:
    """What a file holds; Unreadable where that is no text."""
    try:
        path.as_posix().encode()
    except UnicodeEncodeError as error:
        raise Unreadable("its name is no text") from error
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    return content_in(data, path.suffix)


def content_in(data: bytes, suffix: str) -> Content:
    """What bytes hold that are read as files with this ending; Unreadable where that is no text."""
    if len(data) > BYTES_MAX:
        raise Unreadable(f"larger than {BYTES_MAX // 1024 // 1024} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("no text in UTF-8") from error
    if "\0" in text:
        raise Unreadable("no text: it has zero bytes")
    return Content(sha256(f"{READING}/{suffix.lower()}/".encode() + data).hexdigest(), text)


def parts_of(path: Path, text: str) -> tuple[str, list[Part]]:
    """(title, parts) of a file; Unreadable where its format is broken."""
    return parts_in(text, path.suffix, _module(path) if path.suffix == ".py" else path.name)


def parts_in(text: str, suffix: str, name: str) -> tuple[str, list[Part]]:
    """(title, parts) of a text that is read as files with this ending; `name` is its title where it has none itself."""
    try:
        parts = list(islice(FORMATS.get(suffix.lower(), FORMATS[".txt"])(text), PARTS_MAX))
    except Invalid as error:
        raise Unreadable(f"{error.message}: {error.found}") from error
    if suffix == ".py":
        return name, [replace(part, title=f"{name}.{part.title}" if part.title else name) for part in parts]
    return next((part.title for part in parts if part.title), name), parts


def _module(path: Path) -> str:
    """The dotted name of a module, as far as packages reach up from it."""
    names, folder = [] if path.stem == "__init__" else [path.stem], path.parent
    while (folder / "__init__.py").is_file() and folder.name:
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names) or path.stem
