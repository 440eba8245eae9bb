"""Commands of the documents that no test of the documents runs: what keeps them from it, or which test does."""

from __future__ import annotations

_CENTOS = "needs CentOS boxes, packages from the internet and hardware virtualisation"
_VAULT = "needs packages of CentOS from the internet; tests/guest/test_systems.py runs it with a vault on the loopback"

NOT_RUN = {
    "pre-commit install": "pre-commit is not among the requirements, and it writes to the checkout's .git",
    "lab up old new --system centos": _CENTOS,
    "lab run old -s nfqueue --trace stap": _CENTOS,
    "lab up old new --system kernel": _VAULT,
    "LAB_VAULT=http://mirror.example.com/centos lab up old new --system kernel": _VAULT,
    "lab kernel add centos:7.0.1406": _VAULT,
    "lab kernel add centos:7.0.1406 --from DIR": _VAULT,
    "lab kernel add kernel-3.10.0-123.el7.x86_64.rpm kernel-devel-3.10.0-123.el7.x86_64.rpm": _VAULT,
    "lab kernel add kernel-3.10.0-1127.el7.x86_64.rpm --name el78": _VAULT,
    "lab matrix --kernels 'centos:7.*' -s nfqueue -s nfqueue-dnat": _VAULT,
    "lab matrix -n 20 --jobs 4": "takes hours; tests/guest/test_matrix.py makes four cells",
    "lab matrix --scheduler tcp://192.0.2.1:8786": "an address of documentation; test_matrix.py has a cluster of two",
    "lab check root@web1.example.com": "a name of documentation; tests/guest/test_check.py checks a guest over SSH",
    "lab watch root@node7.example.com --for 10m --save stalls": "as above; tests/guest/test_watch.py watches a guest",
    "lab watch --lookup www.example.com -n 50": "asks a server outside; tests/guest/test_watch.py looks up localhost",
    "lab watch --for 10m --json >before.json": "takes ten minutes; tests/native/test_watch_here.py compares two",
    "lab watch --for 10m --json >after.json": "as above",
    "lab watch --before before.json --after after.json": "as above",
    "lab diagnose stalls/20261129T221129Z-0001-web_28043": "tests/native/test_watch_here.py reads such files",
    "kubectl exec POD -- cat /etc/resolv.conf | lab diagnose pod.pcap -": "needs a cluster of Kubernetes",
    "LAB_MIRROR=http://mirror.example.com/debian lab image build": "a name of documentation; "
    "tests/native/test_proxies.py has a mirror and a proxy on the loopback",
    "lab bench verdicts --json": "downloads nfqnl_test; tests/unit/test_bench.py has its arithmetic",
}
"""Command line to reason. They are parsed by the real command line."""

RUN_BY = {
    "lab kit": ("tests/unit/test_kit.py", '"kit", "-o", str(path)'),
    "lab kit -o class.zip": ("tests/unit/test_kit.py", '"kit", "-o", str(path)'),
    "lab kit --image -o class.zip": ("tests/guest/test_stick.py", '"kit", "--image", "-o", str(path)'),
    "lab doctor --collect reports": ("tests/unit/test_kit.py", '"doctor", "--collect", str(reports)'),
    "lab image export image.tar.zst": ("tests/guest/test_stick.py", '"image", "export", str(path)'),
    "lab image import image.tar.zst": ("tests/guest/test_stick.py", '"image", "import", str(path)'),
    "sudo lab check": ("tests/native/test_check_here.py", '"check", *arguments'),
    "lab check --dry-run": ("tests/native/test_check_here.py", '"--dry-run"'),
    "sudo lab watch --trace --save stalls": ("tests/guest/test_watch.py", '"--trace", "--save"'),
    "sudo lab watch": ("tests/native/test_watch_here.py", '"watch", "--json"'),
    "sudo lab watch --metrics /var/lib/node_exporter/lab.prom": (
        "tests/native/test_watch_here.py",
        '"--metrics", metrics',
    ),
    "lab up old --provider vagrant --replica": (
        "tests/guest/test_vagrant.py",
        '"up", "old", "--provider", "vagrant", "--hypervisor", "libvirt-session", "--replica"',
    ),
    "lab run old new today --evidence": ("tests/guest/test_evidence.py", '"run", *MACHINES, "--evidence"'),
    "lab matrix old new -s baseline -s nfqueue -n 2": (
        "tests/guest/test_matrix.py",
        '"matrix", "old", "new", "-s", "baseline", "-s", "nfqueue", "-n", "2"',
    ),
    "lab run old -s nfqueue --target www.example.com --nameserver 192.0.2.53": (
        "tests/guest/test_evidence.py",
        '"--target", "www.example.com", "--nameserver", "192.0.2.53"',
    ),
    "lab run old new today -s opensnitch -n 3": ("tests/guest/test_agents.py", '"-s", "opensnitch", "-n", "2"'),
    "lab run old new -s own-agent -n 3": ("tests/guest/test_agents.py", '"-s", "own-agent"'),
    "lab show old/opensnitch/1": ("tests/guest/test_agents.py", '"show", "old/opensnitch/1"'),
    "lab workarounds old -s opensnitch -n 2": (
        "tests/guest/test_agents.py",
        '"workarounds", "old", "-s", "opensnitch"',
    ),
    "lab workarounds old new": ("tests/guest/test_agents.py", '"workarounds", "old"'),
    "lab workarounds old -s nfqueue-musl": ("tests/guest/test_agents.py", '"-s", "nfqueue-musl"'),
    "lab workarounds old -w raw -w notrack -n 3": ("tests/guest/test_agents.py", '"-w", "raw"'),
    "lab workarounds --run newest": ("tests/unit/test_workarounds.py", '"workarounds", "--run", run.id'),
    "lab runs rm 20261128T234653Z": ("tests/unit/test_runs_verbs.py", '"runs", "rm", run.name'),
    "lab runs rm --older-than 30d --yes": ("tests/unit/test_runs_verbs.py", '"rm", "--older-than", "30d", "--yes"'),
    "lab runs repair 20261128T234653Z": ("tests/unit/test_runs_verbs.py", '"runs", "repair", run.name'),
    "lab runs export 20261128T234653Z -o stall.tar.zst": (
        "tests/unit/test_runs_verbs.py",
        '"runs", "export", "newest"',
    ),
    "lab runs import stall.tar.zst": ("tests/unit/test_runs_verbs.py", '"runs", "import", str(archive)'),
    "lab logs old": ("tests/unit/test_logs.py", '"logs", "old"'),
    "lab logs old --console": ("tests/unit/test_logs.py", '"logs", "old", "--console"'),
    "lab lesson": ("tests/guest/test_lesson.py", '(environment(running), "lesson", columns=80'),
    "lab lesson --unattended --language zh": (
        "tests/guest/test_lesson.py",
        '"lesson", "--unattended", "--language", "zh"',
    ),
    "lab lesson --from kernel-trace": ("tests/guest/test_lesson.py", '"lesson", "--from", "kernel-trace"'),
}
"""Command line to the test file that runs it, and the text there that does."""
