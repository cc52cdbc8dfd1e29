"""Templates and options with mistakes: refused at the start, with line and field."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from harness.reviews import CLASSIC, INIT, SIDECAR, TEMPLATE, Webhook, pod


def changed(path: str, value: Any = ...) -> str:
    """The template with something else, or nothing (...), at a path."""
    document: Any = copy.deepcopy(TEMPLATE)
    *parents, last = path.split("/")
    node = document
    for token in parents:
        node = node[int(token)] if isinstance(node, list) else node[token]
    if value is ...:
        del node[last]
    else:
        node[int(last) if isinstance(node, list) else last] = value
    return json.dumps(document, indent=2)


MISTAKES = {
    "not JSON": ('{"native": true,\n "init": }', "line 2: it is not JSON: a value is expected here"),
    "empty": ("", "line 1: it is not JSON: it ends too early"),
    "no object": ("[]", "line 1: the template is not a JSON object"),
    "unknown": (changed("sidecars", {}), "sidecars is not known; known are native fsGroup init sidecar volumes app"),
    "twice": ('{"init": {},\n"init": {}}', "line 2: init is given twice"),
    "nothing": (json.dumps({"volumes": []}), "neither init nor sidecar is there"),
    "native": (changed("native", "yes"), "native is not true or false"),
    "group": (changed("fsGroup", 1.5), "fsGroup is no number of a group"),
    "group as text": (changed("fsGroup", "65532"), "fsGroup is not a number"),
    "init": (changed("init", []), "init is not an object"),
    "no name": (changed("init/name"), "init.name is missing"),
    "empty name": (changed("init/name", ""), "init.name is empty"),
    "name": (changed("sidecar/name", "Side_car"), 'sidecar.name is "Side_car", which is no DNS label'),
    "names": (changed("sidecar/name", INIT["name"]), 'sidecar.name is "pod-identity-init", as is init.name'),
    "no image": (changed("sidecar/image"), "sidecar.image is missing"),
    "unknown in a container": (changed("sidecar/volumes", []), "sidecar.volumes is not known; known are name image"),
    "restart policy": (changed("sidecar/restartPolicy"), 'sidecar.restartPolicy is not "Always"'),
    "restart policy of init": (changed("init/restartPolicy", "Always"), "init.restartPolicy is given, which only a native sidecar may have"),
    "classic": (json.dumps({**CLASSIC, "sidecar": SIDECAR}), "sidecar.restartPolicy is given"),
    "mount of what is not there": (changed("sidecar/volumeMounts/0/name", "pod"), 'sidecar.volumeMounts[0].name is "pod", which is none of'),
    "mount of the app": (changed("app/volumeMounts/0/name", "pod"), 'app.volumeMounts[0].name is "pod", which is none of'),
    "mount without path": (changed("app/volumeMounts/0/mountPath"), "app.volumeMounts[0].mountPath is missing"),
    "variable": (changed("app/env/1", "A=b"), "app.env[1] is not an object"),
    "variable twice": (changed("app/env/1/name", "AWS_EC2_METADATA_DISABLED"), "app.env[2].name is \"AWS_EC2_METADATA_DISABLED\", which another"),
    "too many": (changed("app/env", [{"name": f"A{i}"} for i in range(17)]), "app.env has more than 16 elements"),
    "unknown of the app": (changed("app/mounts", []), "app.mounts is not known; known are env volumeMounts"),
    "volume": (changed("volumes/0/name", "a/b"), 'volumes[0].name is "a/b", which is no DNS label'),
    "too large": (json.dumps({**TEMPLATE, "init": {**INIT, "args": ["x" * 40000]}}), "it has more than 32767 bytes"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_template_with_a_mistake(webhook: Webhook, tmp_path: Path, name: str) -> None:
    """Said with the option, the file, the line and the field."""
    text, words = MISTAKES[name]
    path = tmp_path / "template.json"
    path.write_text(text)
    done = webhook.run(json.dumps(pod()), f"--template={path}")
    assert (done.returncode, done.stdout) == (14, b"")
    assert done.stderr.decode().startswith(f"pod-identity-webhook: --template={path}: ") and words in done.stderr.decode()


def test_the_line_of_a_mistake(webhook: Webhook, tmp_path: Path) -> None:
    """It is that of the field."""
    path = tmp_path / "template.json"
    text = changed("sidecar/name", "Side_car")
    path.write_text(text)
    line = text[: text.index("Side_car")].count("\n") + 1
    assert f": line {line}: sidecar.name".encode() in webhook.run("{}", f"--template={path}").stderr


@pytest.mark.parametrize("path, words", [("/nowhere/template.json", "No such file or directory"), ("/dev/null", "it is not a regular file"),
                                         ("/tmp", "Is a directory")])
def test_a_template_that_cannot_be_read(webhook: Webhook, path: str, words: str) -> None:
    """Why is said."""
    done = webhook.run("{}", f"--template={path}")
    assert done.returncode == 14 and f"--template={path}: cannot be read: {words}" in done.stderr.decode()


def test_associations_that_cannot_be_read(webhook: Webhook) -> None:
    """Likewise."""
    done = webhook.run("{}", "--associations=/nowhere")
    assert done.returncode == 14 and b"--associations=/nowhere: cannot be read: No such file or directory" in done.stderr


@pytest.mark.parametrize("options, words", [
    ([], "there is nothing to inject: give --associations=DIRECTORY, --template=FILE, or both"),
    (["--associations=x"], "--associations=x: not an absolute path"),
    (["--associations=configmap:a/b"], "the webhook does not ask the API server: mount the ConfigMap"),
    (["--template=/x", "--token-expiration=599"], "not a number of seconds from 600"),
    (["--template=/x", "--region=eu central"], "not a region such as eu-central-1"),
    (["--template=/x", "--container-credentials-full-uri=http://10.0.0.1/"], "no AWS SDK sends a token there"),
    (["--template=/x", "--on-problem=deny"], "not one of"),
    (["--template=/x", "--https=0.0.0.0:8443"], "--https means nothing to review"),
    (["--templates=/x"], "did you mean --template?"),
])
def test_options_that_cannot_be(webhook: Webhook, options: list[str], words: str) -> None:
    """A usage error, in one line."""
    done = webhook.run("{}", *options)
    assert done.returncode == 64 and words in done.stderr.decode() and done.stderr.count(b"\n") == 1
