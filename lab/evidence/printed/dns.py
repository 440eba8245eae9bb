"""DNS messages as tcpdump prints them: `1001+ A? www.example.com. (33)`, `1001 NXDomain 0/1/0 (90)`."""

from __future__ import annotations

import re

from lab.evidence import message
from lab.evidence.fields import PORT_MAX
from lab.evidence.message import Message

BODY_MAX = 2000
"""Maximum length of the parsed text: a name has at most 255 bytes (RFC 1035, 3.1), possibly printed with escapes."""

_OPERATION = r"(?: (?:inv_q|stat|op\d{1,2}|notify|update\w?|resvd\d+))?"
# print-domain.c: id, operation, RD, CD; anomalies in brackets; then each question.
_QUERY = re.compile(
    rf"(?P<id>\d{{1,5}}){_OPERATION}[+%]{{0,3}}(?: \[[^\]]{{1,60}}\]){{0,6}} "
    r"(?P<qtype>[A-Za-z][A-Za-z0-9-]{0,15})(?: \([^)]{1,20}\))?\? (?P<name>[^\s(]\S{0,1100})(?: .{0,200})?"
)
# ... id, operation, code, AA, RA, TC, AD; the question with -vv; counts of records.
_ANSWER = re.compile(
    rf"(?P<id>\d{{1,5}}){_OPERATION}(?: (?P<rcode>[A-Z][A-Za-z]{{2,11}}|Resp\d{{1,2}}))?[*|$-]{{0,4}}"
    r"(?: \[\d{1,5}q\])?"
    r"(?: q:(?: (?P<qtype>[A-Za-z][A-Za-z0-9-]{0,15})(?: \([^)]{1,20}\))?\? (?P<name>\S{1,1100}))?.{0,1200}?)? "
    r"\d{1,5}/\d{1,5}/\d{1,5}(?: .*)?"
)
_CUT = re.compile(rf"(?P<id>\d{{1,5}}){_OPERATION}(?P<flags>[+%*|$-]{{0,6}})[^(]{{0,300}}\[\|domain\]")
_LENGTH = re.compile(r"\(\d{1,5}\)$|\[\|domain\]$")


def is_body(text: str) -> bool:
    """Return whether a text begins like a DNS message: with an id and flags or a question."""
    return bool(re.match(r"\d{1,5}(?:[+%*|$-]{1,4}(?: |\[)| [A-Za-z\[])|\d{1,5}[*|$-]{0,4} \d{1,5}/\d", text))


def is_whole(text: str) -> bool:
    """Return whether a message is complete: its length is printed last."""
    return bool(_LENGTH.search(text[-40:].rstrip()))


def read(text: str) -> tuple[Message | None, bool] | None:
    """Parse a message; return it and whether the snapshot length truncated it, or None if it is not a message."""
    body = text[:BODY_MAX]
    if match := _QUERY.fullmatch(body):
        return _message(match, rcode=None), False
    if match := _ANSWER.match(body):
        return _message(match, rcode=(match["rcode"] or "NoError").upper()), False
    if match := _CUT.match(body):
        is_answer = any(flag in match["flags"] for flag in "*|$-")
        dns_id = int(match["id"])
        return (
            (Message(dns_id, is_answer, None, None, "NOERROR" if is_answer else None), True)
            if dns_id <= PORT_MAX
            else None
        )
    return None


def _message(match: re.Match[str], *, rcode: str | None) -> Message | None:
    dns_id = int(match["id"])
    if dns_id > PORT_MAX:
        return None
    qtype, name = match["qtype"], match["name"]
    try:
        qtype = None if qtype is None else message.normalize_type(qtype.upper())
    except ValueError:
        qtype = None
    return Message(dns_id, rcode is not None, qtype, None if name is None else name.rstrip(".") or ".", rcode)
