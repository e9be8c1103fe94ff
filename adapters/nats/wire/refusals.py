"""What a server forbids, said so that whoever configures it knows what to allow."""

from __future__ import annotations

from collections.abc import Sequence

from ....eventlog.errors import Refused


def not_let_in(servers: str | Sequence[str], found: str) -> Refused:
    return Refused(
        "NATS does not let us in",
        who=str(servers),
        expected="a user, token, credentials or certificates that the server knows",
        found=found,
        instead="correct what the URL says: user:password@, token@, ?creds=, ?nkey=, ?tls_ca=, ?tls_cert=",
    )


def in_the_clear(servers: str | Sequence[str]) -> Refused:
    return Refused(
        "the server offers no TLS, which the URL asks for",
        who=str(servers),
        where="the server's INFO",
        expected="tls_required or tls_available",
        found="neither; nothing was sent to it, no password either",
        instead="give nats-server a `tls` block; or, where nobody can listen in, write nats:// and leave the options tls_… out",
    )


def deaf(subject: str) -> Refused:
    return Refused(
        "the server does not let this user hear answers",
        who="the user of this connection",
        where=f"subject {subject}",
        expected="permission to subscribe there",
        found="a permissions violation",
        instead="allow it in the server's configuration, or name a prefix that is allowed: ?inbox=PREFIX",
    )


def denied(subject: str) -> Refused:
    return Refused(
        "the server does not let this user publish",
        who="the user of this connection",
        where=f"subject {subject}",
        expected="permission to publish there",
        found="a permissions violation; the server dropped the message",
        instead="allow `perdure.<namespace>.>` and `$JS.API.>` to this user in the server's configuration",
    )


def forbidden(hear: Sequence[str], say: Sequence[str]) -> Refused:
    """What this user would have to hear and to say, and may not."""
    verb, first = ("subscribe", hear[0]) if hear else ("publish", say[0])
    found = [f"may not {what} to {', '.join(subjects)}" for what, subjects in (("subscribe", hear), ("publish", say)) if subjects]
    return Refused(
        "the server does not let this user do what its part takes",
        who="the user of this connection",
        where=f"subject {first}",
        expected=f"permission to {verb} there",
        found="; ".join(found),
        instead="allow it in the server's configuration: docs/nats_subjects.md has the permissions of each role; nothing was claimed",
    )
