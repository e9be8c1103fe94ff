"""The embedding `sentence-transformers`: a model of that package, from a folder or from the cache of this machine, never from afar."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from ....eventlog.errors import Invalid, NotFound, Unavailable

PACKAGE = "sentence-transformers"
BATCH = 32
CHUNK = 1 << 20


class SentenceTransformers:
    """A model in a folder. Its name holds a digest of all that its vectors depend on: weights, words, settings."""

    def __init__(self, folder: Path) -> None:
        library = _library("sentence_transformers")
        self.name = f"{PACKAGE}/{folder.name}@{digest_of(folder)[:16]}"
        try:
            self._model: Any = library.SentenceTransformer(str(folder), local_files_only=True, device="cpu")
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise Invalid("the folder holds no model that can be loaded", who=f"embedding {PACKAGE!r}", where=str(folder),
                          expected="a model as sentence-transformers saves it", found=str(error)[:300],
                          instead="name the folder of another model") from error
        size = getattr(self._model, "get_embedding_dimension", None) or self._model.get_sentence_embedding_dimension
        self.dimensions = int(size())

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        made: list[list[float]] = self._model.encode(list(texts), batch_size=BATCH, show_progress_bar=False).tolist()
        return made


def made(argument: str) -> SentenceTransformers:
    """`sentence-transformers:FOLDER`, or `sentence-transformers:NAME` of a model that lies in the cache of this machine."""
    if not argument:
        raise Invalid("an embedding needs a model", who=f"embedding {PACKAGE!r}", where="embedding", found="no model",
                      expected=f"{PACKAGE}:FOLDER, or {PACKAGE}:NAME", instead="name the folder that holds a model")
    folder = Path(argument).expanduser()
    return SentenceTransformers(folder.resolve() if folder.is_dir() else _cached(argument))


def _cached(name: str) -> Path:
    """Where the cache of this machine has the model."""
    hub = _library("huggingface_hub")
    repository = name if "/" in name else f"{PACKAGE}/{name}"
    try:
        return Path(hub.snapshot_download(repository, local_files_only=True))
    except Exception as error:
        raise NotFound("there is no such model on this machine", who=f"embedding {PACKAGE!r}", where=name[:200], found=str(error)[:300],
                       expected="a folder, or a model in the cache of huggingface_hub",
                       instead="have the model in a folder, and name that: nothing is loaded from afar") from error


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        raise Unavailable("an embedding is not installed", who=f"embedding {PACKAGE!r}", where="the environment",
                          expected=f"the package {PACKAGE}", found=f"no module {missing.name}",
                          instead=f"pip install {PACKAGE}, or choose the embedding 'hashing'") from missing


def digest_of(folder: Path) -> str:
    """SHA-256 over the names and contents of the files of a model, but for pages about it."""
    seen = sha256()
    for file in sorted(each for each in folder.rglob("*") if each.is_file() and _counts(each.relative_to(folder))):
        seen.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as content:
            while piece := content.read(CHUNK):
                seen.update(piece)
    return seen.hexdigest()


def _counts(file: Path) -> bool:
    return file.suffix.lower() != ".md" and not any(part.startswith(".") for part in file.parts)
