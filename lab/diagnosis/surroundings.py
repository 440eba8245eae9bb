"""Where the files were made, as far as they show it: in a container, on a node of a cluster, behind a translation.

A capture in a container ends at the container's interface. Its packets meet a second conntrack on the node, which
translates them, so a query that left the container may still be lost at a clash one namespace further on.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from lab.diagnosis.material import Calls, Capture, Citation, Daemon, Material, Options
from lab.evidence.capture import WirePacket

_CLUSTER = re.compile(r"(?:^|\.)(?:svc|pod)\.[a-z0-9.-]{1,200}$|\.cluster\.local$", re.ASCII | re.IGNORECASE)
"""Kubernetes' DNS specification (kubernetes/dns, docs/specification.md): SERVICE.NAMESPACE.svc.ZONE."""

_NETWORKS = tuple(
    (ipaddress.ip_network(network), words)
    for network, words in (
        ("127.0.0.11/32", "the address of Docker's own resolver"),  # docs.docker.com: container networking
        ("169.254.20.10/32", "the address of NodeLocal DNSCache"),  # kubernetes.io: nodelocaldns
        ("169.254.25.10/32", "the address of NodeLocal DNSCache"),  # kubespray: nodelocaldns_ip
        ("10.244.0.0/16", "pods by default"),  # flannel's kube-flannel.yml, kind, minikube
        ("10.42.0.0/15", "pods and services by default"),  # k3s: --cluster-cidr, --service-cidr
        ("10.233.0.0/17", "pods and services by default"),  # kubespray: kube_service_addresses, kube_pods_subnet
        ("10.96.0.0/12", "services by default"),  # kubeadm: --service-cidr
        ("10.152.183.0/24", "services by default"),  # MicroK8s
        ("10.32.0.0/12", "pods by default"),  # Weave Net: IPALLOC_RANGE
        ("10.128.0.0/14", "pods by default"),  # OpenShift: clusterNetwork
        ("10.88.0.0/16", "containers by default"),  # Podman
        ("172.16.0.0/12", "containers or services by default"),  # Docker: default-address-pools; EKS, OpenShift
        ("100.64.0.0/10", "one of pods, or of a carrier's translation"),  # RFC 6598; EKS and GKE: secondary ranges
    )
)

_SERVICE_DNS = re.compile(r"10\.\d{1,3}\.\d{1,3}\.10|192\.168\.\d{1,3}\.10", re.ASCII)
"""The tenth address of a range of services is the cluster's DNS server by convention (kubeadm, AKS, GKE, EKS)."""

_INTERFACES = re.compile(
    r"(?:veth|cali|cni|flannel|cilium|lxc|weave|vethwepl|docker|br-|azv|eni)[\w.-]{0,30}", re.ASCII
)
"""Interface names that container runtimes and network plugins use on a node."""

_SEEN_MAX = 1000
"""Most distinct queries examined; more do not change the result."""


@dataclass(frozen=True)
class Surroundings:
    """Evidence of where the files were made.

    Attributes:
        signs: Descriptions of evidence for a cluster or containers, each with its place.
        private: An address that is translated before it reaches the internet (RFC 1918, RFC 4193); None where there is
            none.
        forwards: Whether a capture shows a machine that receives queries and forwards them.
    """

    signs: tuple[tuple[str, Citation], ...] = ()
    private: str | None = None
    forwards: bool = False

    @property
    def container(self) -> bool:
        """Whether the client may be in a container, behind a node that translates."""
        return bool(self.signs)

    @property
    def cluster(self) -> bool:
        """Whether the evidence suggests a cluster rather than containers on one machine."""
        return any("Docker" not in words and "containers" not in words for words, _ in self.signs)


def detect_surroundings(material: Sequence[Material]) -> Surroundings:
    """Collect evidence of where the files were made."""
    signs: dict[str, Citation] = {}
    for words, place in _signs(material):
        signs.setdefault(words, place)
    clients = (client for each in material if isinstance(each, Capture) for client in _clients(each))
    forwards = any(_forwards(each) for each in material if isinstance(each, Capture))
    return Surroundings(tuple(signs.items()), next((one for one in clients if _is_private(one)), None), forwards)


def _signs(material: Sequence[Material]) -> Iterator[tuple[str, Citation]]:
    for each in material:
        if isinstance(each, Options):
            yield from _of_options(each)
        elif isinstance(each, Capture):
            yield from _of_capture(each)
        elif isinstance(each, Calls):
            yield from _of_calls(each)
        elif isinstance(each, Daemon) and each.program == "coredns" and each.events:
            yield "CoreDNS answers, as in a cluster", each.place(each.events[0].line)


def _of_options(each: Options) -> Iterator[tuple[str, Citation]]:
    place = Citation(each.name, None, None, " ".join(("search", *each.conf.search)))
    if any(_CLUSTER.search(domain) for domain in each.conf.search):
        yield "resolv.conf searches the domains of a cluster", place
    for server in each.conf.nameservers:
        yield from ((sign, Citation(each.name, None, None, f"nameserver {server}")) for sign in _of_address(server))


def _of_capture(capture: Capture) -> Iterator[tuple[str, Citation]]:
    seen: set[tuple[str | None, ...]] = set()
    for packet in _queries(capture):
        name = packet.message.name if packet.message else None
        key = (packet.flow.src, packet.flow.dst, packet.interface, name)
        if key in seen or len(seen) > _SEEN_MAX:
            continue
        seen.add(key)
        words = [*_of_name(name), *_of_address(packet.flow.dst), *_of_address(packet.flow.src, server=False)]
        if packet.interface and _INTERFACES.fullmatch(packet.interface):
            words.append(f"{packet.interface} is a container interface")
        yield from ((sign, capture.place(packet.number, sign)) for sign in words)


def _of_calls(calls: Calls) -> Iterator[tuple[str, Citation]]:
    for event in calls.events:
        if event.kind == "sent" and event.message is not None:
            words = (*_of_name(event.message.name), *_of_address(event.server))
            yield from ((sign, calls.place(event.line)) for sign in words)


def _of_name(name: str | None) -> Iterator[str]:
    if name and _CLUSTER.search(name.rstrip(".")):
        yield f"{name} is a name of a cluster"


def _of_address(text: str | None, *, server: bool = True) -> Iterator[str]:
    address = _address(text)
    if address is None:
        return
    for network, words in _NETWORKS:
        if address.version == network.version and address in network:
            yield f"{address} is an address of {words}" if "by default" in words else f"{address} is {words}"
            return
    if server and _SERVICE_DNS.fullmatch(str(address)):
        yield f"{address} is the usual address of a cluster's DNS service"


def _queries(capture: Capture) -> Iterator[WirePacket]:
    return (packet for packet in capture.packets if packet.message is not None and not packet.message.is_answer)


def _clients(capture: Capture) -> Iterable[str]:
    return dict.fromkeys(packet.flow.src for packet in _queries(capture))


def _forwards(capture: Capture) -> bool:
    """Return whether one query was both received and sent; loopback is ignored, where every packet is."""
    ways: dict[tuple[int, str | None], set[bool]] = {}
    for packet in _queries(capture):
        address = _address(packet.flow.dst)
        if packet.message is None or packet.outgoing is None or (address is not None and address.is_loopback):
            continue
        ways.setdefault((packet.message.dns_id, packet.message.qtype), set()).add(packet.outgoing)
    return any(way == {False, True} for way in ways.values())


def _is_private(text: str) -> bool:
    address = _address(text)
    return address is not None and any(
        address.version == network.version and address in network
        for network in map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
    )


@cache
def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an address; None for a host name, which a printed capture may show instead."""
    try:
        return ipaddress.ip_address(text or "")
    except ValueError:
        return None
