"""Reads an image out of an OCI archive, checking every digest and size on the way."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class PlatformImage:
    """The image of one platform: its configuration, and what its layers hold."""

    manifest: dict[str, Any]
    config: dict[str, Any]
    compressed: int  # bytes of all blobs that a node pulls
    unpacked: int  # bytes of the layers, headers included
    members: dict[str, tarfile.TarInfo]
    files: dict[str, bytes]


class Archive:
    """An OCI archive with one image for several platforms."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            self.entries = tar.getmembers()
            self.content = {entry.name: tar.extractfile(entry).read() for entry in self.entries if entry.isfile()}  # type: ignore[union-attr]
        self.top = json.loads(self.content["index.json"])
        assert json.loads(self.content["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
        assert len(self.top["manifests"]) == 1, "one image, so that no tool has to be told which"
        self.reached = {"index.json", "oci-layout"}
        self.index = json.loads(self.blob(self.top["manifests"][0]))
        if "manifests" in self.index:
            self.platforms = {f"{each['platform']['os']}/{each['platform']['architecture']}": self.platform(each)
                              for each in self.index["manifests"]}
        else:  # of one platform, without an index
            only = self.platform(self.top["manifests"][0])
            self.platforms = {f"{only.config['os']}/{only.config['architecture']}": only}

    @property
    def digest(self) -> str:
        """The digest of the index: what one pins."""
        return str(self.top["manifests"][0]["digest"])

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        """What a descriptor points to."""
        algorithm, value = descriptor["digest"].split(":")
        name = f"blobs/{algorithm}/{value}"
        self.reached.add(name)
        blob = self.content[name]
        assert hashlib.sha256(blob).hexdigest() == value and len(blob) == descriptor["size"]
        return blob

    def platform(self, descriptor: dict[str, Any]) -> PlatformImage:
        """One platform's image."""
        manifest = json.loads(self.blob(descriptor))
        config = json.loads(self.blob(manifest["config"]))
        image = PlatformImage(manifest, config, descriptor["size"] + manifest["config"]["size"], 0, {}, {})
        assert len(config["rootfs"]["diff_ids"]) == len(manifest["layers"])
        for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"]):
            plain = gzip.decompress(self.blob(layer))
            assert "sha256:" + hashlib.sha256(plain).hexdigest() == diff_id
            image.compressed += layer["size"]
            image.unpacked += len(plain)
            with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
                for entry in tar.getmembers():
                    image.members[entry.name] = entry
                    if entry.isfile():
                        image.files[entry.name] = tar.extractfile(entry).read()  # type: ignore[union-attr]
        return image
