"""The guest image on a stick: a machine without a network boots what another one built."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path

from tests.guest.conftest import TestLab

UNREACHABLE = "http://127.0.0.1:9/debian"
"""A mirror that refuses at once: nothing listens on the discard port (RFC 863)."""


def test_a_machine_boots_from_an_imported_image(running: TestLab, tmp_path: Path) -> None:
    """And nothing is downloaded: neither a mirror nor a program that builds an image can be reached."""
    path = tmp_path / "image.tar.zst"
    exported = running.well("image", "export", str(path), "--json").json
    assert exported["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()

    lacking = tmp_path / "bin"
    lacking.mkdir()
    (lacking / "mmdebstrap").write_text("#!/bin/sh\nexit 1\n")
    (lacking / "mmdebstrap").chmod(0o755)
    environment = {
        "LAB_CACHE": str(tmp_path / "cache"),
        "LAB_MIRROR": UNREACHABLE,
        "PATH": f"{lacking}:{os.environ['PATH']}",
    }
    elsewhere = TestLab(tmp_path / "lab", environment)
    try:
        imported = elsewhere.well("image", "import", str(path), "--sha256", exported["sha256"], "--json").json
        assert imported["new"]
        elsewhere.well("up", "old")
        result = elsewhere.well("run", "old", "-s", "nfqueue", "-n", "1", "--json").json
        assert [cell["verdict"] for cell in result["cells"]] == ["stalled"]
    finally:
        elsewhere.run("destroy")


def test_a_kit_has_the_image_of_its_guide(running: TestLab, tmp_path: Path) -> None:
    """With the digest that the guide and the list of digests have."""
    path = tmp_path / "class.zip"
    kit = running.well("kit", "--image", "-o", str(path), "--json").json
    (image,) = [file for file in kit["files"] if file["name"].endswith(".tar.zst")]
    with zipfile.ZipFile(path) as archive:
        guide = archive.read("five-second-lab-class/guide.html").decode()
        content = archive.read(f"five-second-lab-class/{image['name']}")
    assert image["sha256"] == hashlib.sha256(content).hexdigest()
    assert guide.count(image["sha256"]) == 4
    assert json.dumps(kit["left_out"]).count("image") == 0
