"""Splits a log line into message and prefix, as written by syslog, journalctl, dmesg and container runtimes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime

# The time of day, with a fraction in some forms; ISO 8601 allows a comma (dmesg --time-format=iso).
_CLOCK = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)(?:[.,](?P<part>\d{1,9}))?"
# journalctl's short forms have a localized month name: "Nov", "janv.", "11月"; short-full has a weekday, and so has
# OpenWrt's logread.
_SHORT = r"(?:\S{2,12} )?\S{1,12} {1,2}\d{1,2}(?: \d{4})? " + _CLOCK + r"(?: \d{4})?"
_ISO = (
    r"(?:\S{2,12} )?(?P<date>\d{4}-\d\d-\d\d)[T ]"
    + _CLOCK.replace("?P<hour>", "?P<h>")
    .replace("?P<minute>", "?P<m>")
    .replace("?P<second>", "?P<s>")
    .replace("?P<part>", "?P<f>")
    + r"(?: ?(?P<zone>Z|[+-]\d\d:?\d\d)| [A-Z]{3,5})?"
)
_UNIX = r"(?P<unix>\d{9,10}\.\d{1,9})"
_MONOTONIC = r"\[ {0,12}(?P<monotonic>\d{1,10}\.\d{1,9})(?: <[^>]{0,20}>)?\]"
_TIME = rf"(?:{_SHORT}|{_ISO}|{_UNIX}|{_MONOTONIC})"

_IDENT = r"(?P<ident>[^\s:\[\]<>(){}=,\"]{1,64}?)(?:\[(?P<pid>\d{1,10})(?::[\da-f]{1,10})?\])?"
_SYSLOG = re.compile(rf"(?:<\d{{1,3}}>(?:1 )?)?{_TIME} (?:(?P<host>[^\s:\[]{{1,255}}) )?{_IDENT}:(?= |$) ?(?P<text>.*)")
# RFC 5424: TIME HOST APP PID MSGID STRUCTURED-DATA MESSAGE
_RFC5424 = re.compile(
    rf"(?:<\d{{1,3}}>1 )?{_ISO} (?P<host>\S{{1,255}}) (?P<ident>[^\s:]{{1,48}}) (?:\d{{1,10}}|-) \S{{1,32}} "
    r"(?:-|\[.{0,500}?\]) (?P<text>.*)"
)
# The container runtime's log file, kubectl logs --timestamps, docker logs -t.
_CONTAINER = re.compile(rf"{_ISO} (?:std(?:out|err) [FP] )?(?P<text>.*)")
_BARE = re.compile(r"(?P<ident>kernel|[a-z][a-z-]{2,30}(?=\[))(?:\[(?P<pid>\d{1,10})\])?: (?P<text>.*)")
_JSON_MESSAGE = re.compile(r'\s*"(?:MESSAGE|msg)"\s{0,8}:\s{0,8}(?P<text>".*"),?')
_FIELD = re.compile(r"\s*MESSAGE=(?P<text>.*)")
_OTHER_FIELD = re.compile(
    r"\s*(?:_{1,2}[A-Z][A-Z0-9_]{1,62}|PRIORITY|SYSLOG_[A-Z_]{1,32})=.*|"
    r'\s*"(?:_{1,2}[A-Z][A-Z0-9_]{1,62}|PRIORITY|SYSLOG_[A-Z_]{1,32})"\s{0,8}: .*|'
    r"\S{2,12} [\d-]{10} [\d:.]{8,15} \S{2,6} \[s=.*"
)
"""Other fields that journalctl prints with -o export, json-pretty and verbose."""

_MODULES = frozenset({"nf_conntrack", "ip_conntrack", "nf_queue"})
"""Module names with which kernel messages begin."""

# <LEVEL>[SECONDS], [Day Mon DD HH:MM:SS YYYY] (dmesg -T), [Mon DD HH:MM] or [ +0.000012] (dmesg -e), and before it
# "kern  :info  : " (dmesg -x). Chinese and Japanese names of months are padded: "[日  5月 12 10:11:12 2024]".
_LEVEL = r"(?:<\d{1,3}>)?(?:(?:kern|user|mail|daemon|auth|syslog|lpr|news|local\d)\s{0,4}:[a-z ]{1,8}: )?"
_STAMP = (
    r"\[(?: {0,12}(?P<time>\d{1,10}\.\d{1,9})| *\S{1,12} {1,2}\S{1,12} [\d ]\d [\d:]{8} \d{4}|"
    r" *\S{1,12} ?\d{1,2} \d\d:\d\d| {0,4}\+\d{1,6}\.\d{1,9}|<? {0,8}\d{1,10}\.\d{1,9}>?)"
    r"(?:\s{0,4}<[^>]{0,20}>)?\](?: ?\[ {0,6}[TC]\d{1,10}\])? ?"
)
_KERNEL = re.compile(rf"{_LEVEL}(?:{_STAMP})?(?P<text>.*)")
# conntrack -E -o timestamp prints such a timestamp, too.
_STAMPED = re.compile(rf"{_LEVEL}{_STAMP}(?!\s*\[(?:NEW|UPDATE|DESTROY)\])")
_SYSLOG_MARK = re.compile(rf"(?:<\d{{1,3}}>(?:1 )?)?{_TIME} (?:[^\s:\[]{{1,255}} )?{_IDENT}:(?: |$)")
_BARE_KERNEL = re.compile(r"kernel: ")


@dataclass(frozen=True)
class Logged:
    """The parts of a log line.

    Attributes:
        ident: The program that wrote it, or `kernel`; None where the line has no name.
        text: The message.
        marked: Whether a prefix identifies the line as a log's.
        time_s: Seconds since 1970 where the line has a date with a year, else since midnight; None without a time of
            day.
        uptime_s: Seconds since the kernel started; None where the line does not have it.
    """

    ident: str | None
    text: str
    marked: bool
    time_s: float | None = None
    uptime_s: float | None = None


def split(line: str) -> Logged:
    """Split a line into its parts; a line without a log's prefix is all message."""
    if line[:1] == "{" and (parsed := _of_json(line)) is not None:
        return parsed
    ident, text, time_s, uptime_s, marked = None, line, None, None, False
    for pattern in (_SYSLOG, _RFC5424, _CONTAINER, _BARE, _FIELD, _JSON_MESSAGE):
        match = pattern.fullmatch(line)
        if match is not None:
            parts = match.groupdict()
            ident, text = parts.get("ident"), parts["text"]
            if ident in _MODULES:
                ident, text = None, f"{ident}: {text}"
            marked = pattern in {_SYSLOG, _RFC5424} or ident == "kernel"
            time_s, uptime_s = _time_s(parts), _number(parts.get("monotonic"))
            text = _unquoted(text) if pattern is _JSON_MESSAGE else text
            break
    kernel = _KERNEL.fullmatch(text)
    if kernel is not None and len(kernel["text"]) < len(text) and (ident in {None, "kernel"}):
        marked = marked or bool(_STAMPED.match(text))
        uptime_s = uptime_s if kernel["time"] is None else float(kernel["time"])
        text, ident = kernel["text"], ident or ("kernel" if marked else None)
    return Logged(ident, text, marked, time_s, uptime_s)


def is_marked(line: str) -> bool:
    """Return whether a line has a log's prefix, or is another field of the journal."""
    if line[:1] == "{":
        return _of_json(line) is not None
    if _STAMPED.match(line) or _SYSLOG_MARK.match(line):
        return True
    return bool(_BARE_KERNEL.match(line) or _RFC5424.fullmatch(line) or _OTHER_FIELD.fullmatch(line))


def _of_json(line: str) -> Logged | None:
    """Parse a line of journalctl -o json, dmesg -J, or docker's json-file; None for any other line."""
    try:
        fields = json.loads(line)
        text = fields.get("MESSAGE", fields.get("log", fields.get("msg")))
        if isinstance(text, list):  # journalctl writes invalid UTF-8 as an array of bytes
            text = bytes(text).decode("utf-8", errors="replace")
        if not isinstance(text, str):
            return None
        ident = fields.get("SYSLOG_IDENTIFIER") or ("kernel" if fields.get("_TRANSPORT") == "kernel" else None)
        realtime, monotonic = fields.get("__REALTIME_TIMESTAMP"), fields.get("__MONOTONIC_TIMESTAMP")
        uptime = fields.get("_SOURCE_MONOTONIC_TIMESTAMP", monotonic)
        return Logged(
            ident if isinstance(ident, str) else None,
            text.rstrip("\n"),
            marked=True,
            time_s=None if realtime is None else int(realtime) / 1e6,
            uptime_s=None if uptime is None else int(uptime) / 1e6,
        )
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        return text.strip('"')


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _time_s(parts: dict[str, str | None]) -> float | None:
    if parts.get("unix"):
        return _number(parts["unix"])
    if parts.get("date"):
        return _with_date(parts)
    if parts.get("hour") is None:
        return None
    return _of_day(parts["hour"], parts["minute"], parts["second"], parts["part"])


def _of_day(hour: str | None, minute: str | None, second: str | None, part: str | None) -> float:
    return int(hour or 0) * 3600 + int(minute or 0) * 60 + int(second or 0) + float(f"0.{part or 0}")


def _with_date(parts: dict[str, str | None]) -> float | None:
    """Return a date with a time as seconds since 1970; without a time zone UTC is assumed."""
    zone = (parts.get("zone") or "Z").replace(":", "")
    try:
        midnight = datetime.strptime(f"{parts['date']} {zone}", "%Y-%m-%d %z").timestamp()
    except ValueError:
        return None
    return midnight + _of_day(parts["h"], parts["m"], parts["s"], parts["f"])
