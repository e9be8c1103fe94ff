"""Errors answer two questions: whose fault is it, and does trying again help?

Every error that reaches a person says who it concerns, where, what was expected, what was found and what to do
instead; the parts stay readable as attributes, so that a door can carry them as data.
"""

from __future__ import annotations


class PerdureError(Exception):
    """The root of perdure's errors; its parts are attributes, its text is made from them."""

    code = "error"
    exit_code = 70
    http_status = 500
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        who: str = "",
        where: str = "",
        expected: str = "",
        found: str = "",
        instead: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.who = who
        self.where = where
        self.expected = expected
        self.found = found
        self.instead = instead

    def __str__(self) -> str:
        parts = self.parts()
        if len(parts) == 1:
            return self.message
        return "\n".join([self.message, *(f"  {name + ':':<10}{text}" for name, text in parts.items() if name != "message")])

    def parts(self) -> dict[str, str]:
        """What is known of the error, as data; empty parts are left out."""
        names = ("message", "who", "where", "expected", "found", "instead")
        return {name: text for name in names if (text := getattr(self, name))}

    @classmethod
    def of(cls, code: str, parts: dict[str, str]) -> PerdureError:
        """The error that `code` and `parts` describe: how a door rebuilds what another process raised."""
        below = cls.__subclasses__()
        below += [kind for one in below for kind in one.__subclasses__()]
        kinds: dict[str, type[PerdureError]] = {kind.code: kind for kind in (cls, *below)}
        kind = kinds.get(code, Bug)
        return kind(parts.get("message", code), **{name: text for name, text in parts.items() if name != "message"})


class Refused(PerdureError):
    """The caller's wish is illegal now. Nothing happened."""

    code, exit_code, http_status = "refused", 3, 409


class NotFound(PerdureError):
    """There is no such run, workflow or file."""

    code, exit_code, http_status = "not_found", 4, 404


class Gone(NotFound):
    """It was there, and is kept no longer; asking again does not help."""

    code, http_status = "gone", 410


class Invalid(PerdureError):
    """Bad input; `where` holds the path to it, such as `$.steps[2].url`."""

    code, exit_code, http_status = "invalid", 5, 422


class TooLarge(Invalid):
    """A value that is larger than the log takes; trying again does not help."""

    code, http_status = "too_large", 413


class Conflict(PerdureError):
    """Someone else wrote first: reload and decide again. `Log.append` returns it, a door may raise it."""

    code, exit_code, http_status, retryable = "conflict", 6, 409, True


class Unavailable(PerdureError):
    """The carrier is away and the outcome unknown: try again with the same command id."""

    code, exit_code, http_status, retryable = "unavailable", 7, 503, True


class Diverged(PerdureError):
    """Code and log disagree; the log is untouched. A build that agrees with the log resumes the run."""

    code, exit_code, http_status = "diverged", 8, 409


class Corrupt(PerdureError):
    """The log does not hold what was once written to it."""

    code, exit_code = "corrupt", 9


class Bug(PerdureError):
    """An invariant of perdure itself broke: please report it."""

    code, exit_code = "bug", 70
