"""Makes the recordings in tests/evidence/other-causes: lookups that fail or wait for other reasons than the lab's bug.

    python tests/native/other_causes.py [--into DIRECTORY] [NAME]...

Two network namespaces, joined by a veth pair: a client with a separate resolv.conf, traced by strace, tcpdump and
conntrack, and a server that answers as the cause says. Nothing in there has a way out, no rule or sysctl of the machine
is touched, and everything is gone with the last process. Needs root, strace, tcpdump, iptables, conntrack, iproute2.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

EVIDENCE = Path(__file__).parents[1] / "evidence" / "other-causes"
CLIENT, SERVER, NO_HOST = "10.77.0.1", "10.77.0.2", "10.77.0.3"
NAME = "www.lab.test"
LONG_NAME = "www.department.lab.test"
ADDRESSES = {dns.rdatatype.A: "10.77.0.80", dns.rdatatype.AAAA: "fd00:77::80"}

Answering = Callable[[dns.message.Message, int], float | None]
"""Function of a query and the number of earlier queries of its type: seconds until the answer, None for never."""


def at_once(_query: dns.message.Message, _before: int) -> float | None:
    """Answer every query at once, as a server should."""
    return 0.0


def never(_query: dns.message.Message, _before: int) -> float | None:
    """Answer no query."""
    return None


def late(seconds: float) -> Answering:
    """Answer every query late."""
    return lambda _query, _before: seconds


def not_aaaa(query: dns.message.Message, _before: int) -> float | None:
    """Answer only A queries, as some load balancers do."""
    return None if query.question[0].rdtype == dns.rdatatype.AAAA else 0.0


def not_first_aaaa(query: dns.message.Message, before: int) -> float | None:
    """Drop the first AAAA query."""
    return None if query.question[0].rdtype == dns.rdatatype.AAAA and not before else 0.0


def not_first(_query: dns.message.Message, before: int) -> float | None:
    """Drop the first query of each type."""
    return 0.0 if before else None


def first_aaaa_late(query: dns.message.Message, before: int) -> float | None:
    """Answer the first AAAA query only after the client has retransmitted it."""
    return 5.6 if query.question[0].rdtype == dns.rdatatype.AAAA and not before else 0.0


@dataclass(frozen=True)
class Recording:
    """One recorded cause.

    Attributes:
        answers: What the server does; None when no server runs.
        rules: iptables commands run in the client's namespace.
        server_rules: iptables commands run in the server's namespace.
        resolv: Lines of the client's resolv.conf other than `nameserver`.
        nameservers: Its servers.
        client: Command that is run.
        strace: Output options of strace.
        tcpdump: Options of tcpdump in the client's namespace.
        rcode: What the server answers; addresses for NOERROR.
        exists: Names that exist; for all others the server answers NXDOMAIN.
    """

    answers: Answering | None = at_once
    rules: tuple[str, ...] = ()
    server_rules: tuple[str, ...] = ()
    resolv: str = ""
    nameservers: tuple[str, ...] = (SERVER,)
    client: tuple[str, ...] = ("getent", "ahosts", NAME)
    strace: tuple[str, ...] = ("-f", "-ttt", "-s", "600")
    tcpdump: tuple[str, ...] = ("-i", "v0")
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    exists: str = NAME


_AAAA = "-m string --algo bm --hex-string |00001c0001|"
_FIRST = "-m statistic --mode nth --every 1000 --packet 0"
_SECOND = "-m statistic --mode nth --every 1000 --packet 1"
_TRACKED = "-A OUTPUT -m conntrack --ctstate NEW -j ACCEPT"

RECORDINGS = {
    "healthy": Recording(rules=(_TRACKED,)),
    "server-never-answers": Recording(never, rules=(_TRACKED,)),
    "server-loses-first-aaaa": Recording(not_first_aaaa, rules=(_TRACKED,)),
    "server-loses-first-both": Recording(not_first, rules=(_TRACKED,)),
    "server-ignores-aaaa": Recording(not_aaaa, rules=(_TRACKED,)),
    "server-late": Recording(late(1.6), rules=(_TRACKED,)),
    "server-late-after-retry": Recording(first_aaaa_late, rules=(_TRACKED,)),
    "server-fails": Recording(rules=(_TRACKED,), rcode=dns.rcode.SERVFAIL),
    "first-server-dead": Recording(rules=(_TRACKED,), nameservers=(NO_HOST, SERVER)),
    "no-listener": Recording(None, rules=(_TRACKED,)),
    "no-listener-tcp": Recording(None, rules=(_TRACKED,), resolv="options use-vc\n"),
    "output-drop": Recording(rules=("-A OUTPUT -p udp --dport 53 -j DROP",)),
    "output-drop-aaaa": Recording(rules=(f"-A OUTPUT -p udp --dport 53 {_AAAA} -j DROP",)),
    "output-reject": Recording(rules=("-A OUTPUT -p udp --dport 53 -j REJECT --reject-with icmp-admin-prohibited",)),
    "server-side-reject": Recording(
        server_rules=("-A INPUT -p udp --dport 53 -j REJECT --reject-with icmp-admin-prohibited",)
    ),
    "input-drop": Recording(rules=("-A INPUT -p udp --sport 53 -j DROP",)),
    "input-drop-aaaa": Recording(rules=(f"-A INPUT -p udp --sport 53 {_AAAA} -j DROP",)),
    "network-loses-aaaa": Recording(server_rules=(f"-t raw -A PREROUTING -p udp --dport 53 {_SECOND} -j DROP",)),
    "network-loses-answer": Recording(server_rules=(f"-t mangle -A POSTROUTING -p udp --sport 53 {_SECOND} -j DROP",)),
    "queue-without-listener": Recording(rules=("-t mangle -A POSTROUTING -p udp --dport 53 -j NFQUEUE --queue-num 7",)),
    "queue-loses-aaaa": Recording(
        rules=(f"-t mangle -A POSTROUTING -p udp --dport 53 {_AAAA} {_FIRST} -j NFQUEUE --queue-num 7",)
    ),
    "single-request-slow": Recording(late(0.7), rules=(_TRACKED,), resolv="options single-request\n"),
    "search-slow": Recording(
        late(0.4),
        rules=(_TRACKED,),
        resolv="search a.test b.test lab.test\noptions ndots:5\n",
        client=("getent", "ahosts", "www"),
    ),
    "short-timeout": Recording(not_first_aaaa, rules=(_TRACKED,), resolv="options timeout:1\n"),
    "strace-relative": Recording(never, strace=("-f", "-r")),
    "strace-of-day": Recording(not_first_aaaa, strace=("-f", "-tt")),
    "strace-whole-seconds": Recording(never, strace=("-f", "-t")),
    "strace-without-times": Recording(never, strace=("-f",)),
    "strace-without-f": Recording(not_first_aaaa, strace=("-ttt",)),
    "strace-cuts-strings": Recording(
        not_first_aaaa, strace=("-f", "-ttt"), client=("getent", "ahosts", LONG_NAME), exists=LONG_NAME
    ),
    "strace-decorated": Recording(not_first_aaaa, strace=("-f", "-ttt", "-T", "-yy")),
    "capture-any": Recording(not_first_aaaa, tcpdump=("-i", "any")),
    "capture-any-old": Recording(not_first_aaaa, tcpdump=("-i", "any", "-y", "LINUX_SLL")),
    "capture-snapped": Recording(not_first_aaaa, tcpdump=("-i", "v0", "-s", "60")),
    "capture-nanoseconds": Recording(not_first_aaaa, tcpdump=("-i", "v0", "--time-stamp-precision=nano")),
}


def main() -> None:
    """Make the recordings that are named, or all, in parallel; each has a separate network."""
    if sys.argv[1:2] == ["--inside"]:
        _inside(sys.argv[2], Path(sys.argv[3]))
        return
    if sys.argv[1:2] == ["--serve"]:
        _serve(RECORDINGS[sys.argv[2]])
    into, names = EVIDENCE, sys.argv[1:]
    if names[:1] == ["--into"]:
        into, names = Path(names[1]), names[2:]
    _record(into, names or list(RECORDINGS))


def _record(into: Path, names: list[str]) -> None:
    running = []
    for name in names:
        directory = into / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        inside = ["unshare", "-n", "-m", "-p", "-f", "--mount-proc", sys.executable, __file__, "--inside", name]
        running.append((name, subprocess.Popen([*inside, str(directory)])))
        if len(running) % 6 == 0:
            running[-6][1].wait()
    for name, process in running:
        if process.wait() != 0:
            sys.exit(f"{name} was not made")


def _run(*words: str) -> None:
    subprocess.run(words, check=True)


def _inside(name: str, directory: Path) -> None:
    """Make one recording. This process is the first of its PID namespace; all others end with it."""
    recording = RECORDINGS[name]
    _run("mount", "-t", "tmpfs", "none", "/run")
    with tempfile.TemporaryDirectory(dir="/run") as scratch, _server_namespace() as server:
        _configure(recording, server, Path(scratch))
        with _serving(name, server), _captured(recording, directory, server):
            _counters(directory, "before")
            with (Path(scratch) / "client.out").open("w") as out:
                traced = ["strace", *recording.strace, "-e", "trace=network,poll,ppoll,read,write,close,dup"]
                client = [*traced, "-o", str(directory / "client.strace"), *recording.client]
                subprocess.run(client, stdout=out, stderr=out, timeout=60, check=False)
            _counters(directory, "after")
            time.sleep(1.5)
    shutil.copyfile("/etc/resolv.conf", directory / "resolv.conf")


@contextmanager
def _server_namespace() -> Iterator[int]:
    """Create the server's namespace and return the process that holds it."""
    holder = subprocess.Popen(["unshare", "-n", "sleep", "120"])
    while Path(f"/proc/{holder.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
        time.sleep(0.01)
    try:
        yield holder.pid
    finally:
        holder.kill()
        holder.wait()


def _configure(recording: Recording, server: int, scratch: Path) -> None:
    there = ("nsenter", f"--net=/proc/{server}/ns/net")
    _run("ip", "link", "set", "lo", "up")
    _run(*there, "ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", str(server))
    for prefix, device, addresses in (((), "v0", (CLIENT,)), (there, "v1", (SERVER, NO_HOST))):
        for address in addresses:
            _run(*prefix, "ip", "address", "add", f"{address}/24", "dev", device)
        _run(*prefix, "ip", "link", "set", device, "up")
    for rule in recording.rules:
        _run("iptables", *rule.split())
    for rule in recording.server_rules:
        _run(*there, "iptables", *rule.split())
    # Packets to this address are dropped silently.
    _run(*there, "iptables", "-A", "INPUT", "-d", NO_HOST, "-j", "DROP")
    servers = "".join(f"nameserver {address}\n" for address in recording.nameservers)
    for name, content in (("resolv.conf", servers + recording.resolv), ("nsswitch.conf", "hosts: dns\n")):
        (scratch / name).write_text(content)
        _run("mount", "--bind", str(scratch / name), f"/etc/{name}")


@contextmanager
def _serving(name: str, server: int) -> Iterator[None]:
    """Run the server in its namespace, in a separate process."""
    recording = RECORDINGS[name]
    if recording.answers is None:
        yield
        return
    there = ["nsenter", f"--net=/proc/{server}/ns/net"]
    with subprocess.Popen([*there, sys.executable, __file__, "--serve", name], stdout=subprocess.PIPE) as serving:
        assert serving.stdout
        serving.stdout.readline()
        try:
            yield
        finally:
            serving.kill()


def _serve(recording: Recording) -> None:
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind((SERVER, 53))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    requests: dict[dns.rdatatype.RdataType, int] = {}
    while True:
        wire, asker = listening.recvfrom(4096)
        query = dns.message.from_wire(wire)
        rdtype = query.question[0].rdtype
        after_s = recording.answers(query, requests.get(rdtype, 0)) if recording.answers else None
        requests[rdtype] = requests.get(rdtype, 0) + 1
        if after_s is not None:
            answer = _answer(query, recording).to_wire()
            threading.Timer(after_s, _send, (listening, answer, asker)).start()


def _send(listening: socket.socket, answer: bytes, asker: tuple[str, int]) -> None:
    # A rule that drops the packet makes the call fail.
    with contextlib.suppress(OSError):
        listening.sendto(answer, asker)


def _answer(query: dns.message.Message, recording: Recording) -> dns.message.Message:
    question = query.question[0]
    answer = dns.message.make_response(query)
    answer.set_rcode(recording.rcode)
    if question.name.to_text(omit_final_dot=True) != recording.exists:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    elif recording.rcode == dns.rcode.NOERROR:
        address = ADDRESSES[question.rdtype]
        answer.answer.append(dns.rrset.from_text(question.name, 0, question.rdclass, question.rdtype, address))
    return answer


@contextmanager
def _captured(recording: Recording, directory: Path, server: int) -> Iterator[None]:
    there = ("nsenter", f"--net=/proc/{server}/ns/net")
    command = ("tcpdump", "-Z", "root", "-U", "-n")
    what = "port 53 or icmp"
    dumps = [
        subprocess.Popen([*prefix, *command, *options, "-w", str(directory / name), what], stderr=subprocess.PIPE)
        for prefix, options, name in (((), recording.tcpdump, "client.pcap"), (there, ("-i", "v1"), "server.pcap"))
    ]
    for dump in dumps:
        while dump.stderr and b"listening on" not in dump.stderr.readline():
            pass
    try:
        yield
    finally:
        for dump in dumps:
            dump.send_signal(signal.SIGINT)
            dump.communicate()


def _counters(directory: Path, when: str) -> None:
    shutil.copyfile("/proc/net/stat/nf_conntrack", directory / f"stat.{when}")
    with (directory / f"conntrack-S.{when}").open("w") as out:
        subprocess.run(["conntrack", "-S"], stdout=out, check=True)


if __name__ == "__main__":
    main()
