"""Entity tags: by them who asks says which content they have, and which one they mean to change."""

from __future__ import annotations

from ...eventlog.errors import Refused


class Stale(Refused):
    """What is to be changed is not any more what who asks has seen."""

    code, http_status = "stale", 412


def tag_of(digest: str) -> str:
    return f'"{digest}"'


def is_had(header: str, digest: str) -> bool:
    """Whether `If-None-Match` names the digest: who asks has this content already."""
    return tag_of(digest) in {tag.removeprefix("W/") for tag in _tags(header)}


def is_meant(header: str, digest: str) -> bool:
    """Whether `If-Match` names the digest."""
    return bool({"*", tag_of(digest)} & set(_tags(header)))


def must_be_meant(header: str, digest: str, who: str) -> None:
    """Stale where `If-Match` names other content than there is; `digest` is empty where there is none."""
    if header and not (digest and is_meant(header, digest)):
        raise Stale("this is not any more what you have seen", who=who, where="header if-match", expected=header[:200],
                    found=tag_of(digest) if digest else "nothing", instead="get it anew, and make your change to that")


def _tags(header: str) -> list[str]:
    return [tag.strip() for tag in header.split(",")]
