"""Makes image archives for a node's store, as `docker save` does, without a daemon: of one program, or of an image of ours with one more file."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

from oci import Archive, PlatformImage

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
ROOTS = "etc/ssl/certs/ca-certificates.crt"


def layer(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A layer with these files, each with its content and mode, and the folders above them."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        folders = {str(parent) for name in files for parent in Path(name).parents if str(parent) != "."}
        for name in sorted(folders):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def save(path: Path, names: list[str], layers: list[bytes], config: dict[str, Any]) -> Path:
    """Writes the archive; config is what an image's `config` member holds."""
    digests = [hashlib.sha256(one).hexdigest() for one in layers]
    document = json.dumps({"architecture": ARCHITECTURE, "os": "linux", "config": config,
                           "rootfs": {"type": "layers", "diff_ids": [f"sha256:{one}" for one in digests]}}).encode()
    config_name = f"{hashlib.sha256(document).hexdigest()}.json"
    members = {config_name: document, **{f"{digest}/layer.tar": one for digest, one in zip(digests, layers)}}
    members["manifest.json"] = json.dumps([{"Config": config_name, "RepoTags": names, "Layers": [f"{one}/layer.tar" for one in digests]}]).encode()
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def program(path: Path, names: list[str], file: Path, as_name: str, *arguments: str, user: str = "65532:65532") -> Path:
    """The image of one static program."""
    return save(path, names, [layer({as_name: (file.read_bytes(), 0o755)})], {"Entrypoint": [f"/{as_name}", *arguments], "User": user})


def trusting(path: Path, names: list[str], archive: Archive, authority: bytes) -> Path:
    """An image of ours that trusts one more authority; the rest of it as it is."""
    image: PlatformImage = archive.platforms[f"linux/{ARCHITECTURE}"]
    layers = [gzip.decompress(archive.blob(one)) for one in image.manifest["layers"]]
    return save(path, names, [*layers, layer({ROOTS: (image.files[ROOTS] + b"\n" + authority, 0o644)})], image.config["config"])
