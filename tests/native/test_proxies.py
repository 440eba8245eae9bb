"""Proxies and mirrors, all of them on the loopback: the packages of the guest image come through what a user named."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import PROVISION
from lab.foundation.work import Work
from lab.image import apt, build
from lab.image.recipe import SUITE, Recipe

MIRROR = "http://mirror.invalid/debian"
"""A name that no resolver knows (RFC 6761, 6.4): only a proxy can be asked for it."""


class Proxy(ThreadingHTTPServer):
    """A proxy that has nothing, and remembers what it was asked for."""

    asked: list[str]


class _Nothing(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Return a proxy on the loopback."""
    server = Proxy(("127.0.0.1", 0), _Nothing)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def address(server: Proxy) -> str:
    """Return a server's address."""
    return f"http://127.0.0.1:{server.server_port}/"


@pytest.fixture(autouse=True)
def no_proxy_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what this host's environment says."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def build_fails(cache: Path) -> None:
    """Build the image from a mirror that only a proxy could know, which it does not."""
    with pytest.raises(BrokenEnvironment):
        build.ensure(Recipe(PROVISION, MIRROR), cache, Work())
    assert not list((cache / "images").glob("*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mmdebstrap needs a range of ids for an ordinary user")
def test_the_image_is_asked_for_through_http_proxy(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the mirror that LAB_MIRROR names."""
    monkeypatch.setenv("http_proxy", address(proxy))
    build_fails(tmp_path)
    assert any(path.startswith(f"{MIRROR}/dists/{SUITE}/") for path in proxy.asked)


@pytest.mark.skipif(os.geteuid() != 0, reason="mmdebstrap needs a range of ids for an ordinary user")
def test_the_image_is_asked_for_through_apts_own_proxy(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which mmdebstrap would not read."""
    settings = tmp_path / "apt.conf"
    settings.write_text(f'Acquire::http::Proxy "{address(proxy)}";\n')
    monkeypatch.setenv("APT_CONFIG", str(settings))
    build_fails(tmp_path / "cache")
    assert any(path.startswith(f"{MIRROR}/dists/{SUITE}/") for path in proxy.asked)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", {}),
        ('Acquire::http::Proxy "http://127.0.0.1:3142";', {"http_proxy": "http://127.0.0.1:3142"}),
        ('Acquire::https::Proxy "http://127.0.0.1:3128";', {"https_proxy": "http://127.0.0.1:3128"}),
        ('Acquire::http::Proxy "DIRECT";', {}),
        ('Acquire::http::Proxy::one.example.com "http://127.0.0.1:1";', {}),
        ('Acquire::http::Proxy "http://127.0.0.1:2"; Acquire::http::Proxy::one.example.com "DIRECT";',
         {"http_proxy": "http://127.0.0.1:2"}),
        ("not settings of apt {", {}),
    ],
)  # fmt: skip
def test_apts_proxies_are_read_from_its_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, expected: dict[str, str]
) -> None:
    """For all hosts; apt's word for none is none."""
    (tmp_path / "apt.conf").write_text(settings)
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    assert apt.proxies() == expected


def test_a_proxy_of_the_environment_counts_more_than_apts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for apt itself (apt-transport-http(1))."""
    (tmp_path / "apt.conf").write_text('Acquire::http::Proxy "http://127.0.0.1:2";')
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3")
    assert apt.proxies() == {}


def test_bootstraps_apt_gets_the_proxy(proxy: Proxy, tmp_path: Path) -> None:
    """`apt-get update` as `make` runs it, of a repository that only a proxy could know."""
    sources = tmp_path / "sources.list"
    sources.write_text(f"deb [trusted=yes] {MIRROR} {SUITE} main\n")
    (tmp_path / "lists" / "partial").mkdir(parents=True)
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "/dev/null";\n'
        f'Dir::State::lists "{tmp_path}/lists";\nDir::Cache "{tmp_path}";\n'
        'APT::Sandbox::User "";\nAcquire::Retries "0";\n'
    )
    environment = {**os.environ, "http_proxy": address(proxy), "APT_CONFIG": str(tmp_path / "apt.conf")}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, capture_output=True, check=False)
    assert any(path.startswith(f"{MIRROR}/dists/{SUITE}/") for path in proxy.asked)
