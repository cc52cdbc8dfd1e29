"""Reviews of pods, given to the real program by its command `review`; what comes out is applied as the API server does it."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

from . import json_patch
from .programs import Binaries

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"

INIT = {"name": "pod-identity-init", "image": "registry/init:1", "command": ["/pod-identity-init", "--wait=2m"]}
SIDECAR = {
    "name": "pod-identity-sidecar",
    "image": "registry/sidecar:1",
    "restartPolicy": "Always",
    "command": ["/pod-identity-sidecar", "serve", "--http=127.0.0.1:9911"],
    "env": [{"name": "AWS_EC2_METADATA_DISABLED", "value": "true"}],
    "volumeMounts": [{"name": "pod-identity", "mountPath": "/run/pod-identity"}],
}
CLASSIC_SIDECAR = {key: value for key, value in SIDECAR.items() if key != "restartPolicy"}
URI = "http://127.0.0.1:9911/v1/credentials"
APP_ENV = [
    {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": URI},
    {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/run/pod-identity/http-token"},
    {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"},
]
APP_MOUNT = {"name": "pod-identity", "mountPath": "/run/pod-identity", "readOnly": True}
APP_VOLUME = {"name": "pod-identity", "emptyDir": {"medium": "Memory"}}
TEMPLATE: dict[str, Any] = {
    "native": True,
    "fsGroup": 65532,
    "init": INIT,
    "sidecar": SIDECAR,
    "volumes": [APP_VOLUME],
    "app": {"env": APP_ENV, "volumeMounts": [APP_MOUNT]},
}
CLASSIC = {**TEMPLATE, "native": False, "sidecar": CLASSIC_SIDECAR}

# What the EKS webhook injects (its version 0.6.17).
FOLDER = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
PAIR = [
    {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
    {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": f"{FOLDER}/eks-pod-identity-token"},
]
REGION = [{"name": "AWS_DEFAULT_REGION", "value": "eu-central-1"}, {"name": "AWS_REGION", "value": "eu-central-1"}]
MOUNT = {"name": "eks-pod-identity-token", "readOnly": True, "mountPath": FOLDER}


def volume(expiration_s: int = 3600, audience: str = "pods.eks.amazonaws.com") -> dict[str, Any]:
    """The projected token."""
    token = {"audience": audience, "expirationSeconds": expiration_s, "path": "eks-pod-identity-token"}
    return {"name": "eks-pod-identity-token", "projected": {"sources": [{"serviceAccountToken": token}]}}


VOLUME = volume()
LABEL = {"eks.amazonaws.com/pod-identity": "enabled"}
ASK = {"pod-identity-toolkit/inject": "enabled"}


def pod(spec: dict[str, Any] | None = None, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None,
        **metadata: Any) -> dict[str, Any]:
    """A pod of the service account `app` with one container, but for what is given."""
    head: dict[str, Any] = {"name": "pod", "namespace": "default", **metadata}
    if labels is not None:
        head["labels"] = labels
    if annotations is not None:
        head["annotations"] = annotations
    body = {"serviceAccountName": "app", "containers": [{"name": "app", "image": "app:1"}], **(spec or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": head, "spec": {k: v for k, v in body.items() if v is not ...}}


def review(obj: Any, version: str = "v1", **request: Any) -> dict[str, Any]:
    """An AdmissionReview as the API server writes it."""
    return {
        "kind": "AdmissionReview",
        "apiVersion": f"admission.k8s.io/{version}",
        "request": {
            "uid": UID,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": obj,
            "oldObject": None,
            "dryRun": False,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
            **request,
        },
    }


class Answer:
    """What came out: the response, its patch, and the pod with the patch applied."""

    def __init__(self, whole: dict[str, Any], obj: Any = None) -> None:
        self.whole = whole
        self.response = whole["response"]
        self.allowed = self.response["allowed"]
        self.warnings = self.response.get("warnings", [])
        self.message = self.response.get("status", {}).get("message", "")
        self.patch = json.loads(base64.b64decode(self.response["patch"], validate=True)) if "patch" in self.response else None
        assert (self.patch is None) == ("patchType" not in self.response), whole
        self.pod = json_patch.apply(obj, self.patch or []) if isinstance(obj, dict) else None


class Webhook:
    """The program with a template and associations in a folder."""

    def __init__(self, folder: Path, binaries: Binaries | None = None) -> None:
        self.program = (binaries or Binaries()).webhook
        self.template = folder / "template.json"
        self.classic = folder / "classic.json"
        self.associations = folder / "associations"
        self.associations.mkdir(parents=True)
        self.template.write_text(json.dumps(TEMPLATE, indent=2))
        self.classic.write_text(json.dumps(CLASSIC, indent=2))
        for key in ("default.app", "other.app", "default.default", "default.with.dots"):
            (self.associations / key).write_text('{"roleArn": "arn:aws:iam::111122223333:role/demo"}')
        (self.associations / "default.unusable").write_text('{"roleArn": 7}')

    def options(self, which: str) -> list[str]:
        """Options of an injection: `identity`, `toolkit`, `both` or `classic`."""
        identity = [f"--associations={self.associations}", "--token-expiration=3600"]
        return {
            "identity": identity,
            "toolkit": [f"--template={self.template}"],
            "both": [*identity, f"--template={self.template}"],
            "none": [],
            "classic": [f"--template={self.classic}"],
            "classic-both": [*identity, f"--template={self.classic}"],
        }[which]

    def run(self, text: bytes | str, *options: str) -> subprocess.CompletedProcess[bytes]:
        """`review` on that standard input."""
        return self.call("review", *options, text=text)

    def call(self, *words: str, text: bytes | str = "") -> subprocess.CompletedProcess[bytes]:
        """The program with these words and no environment, to its end."""
        data = text.encode() if isinstance(text, str) else text
        return subprocess.run([self.program, *words], input=data, capture_output=True, timeout=60, check=False, env={})

    def ask(self, obj: Any, *options: str, raw: str | None = None, **request: Any) -> Answer:
        """The answer to a review of that object. raw: the review's text, if it is not what json.dumps() makes of it."""
        asked = review(obj, **request)
        done = self.run(raw if raw is not None else json.dumps(asked), *options)
        assert done.returncode in (0, 1), done.stderr.decode()
        answer = Answer(json.loads(done.stdout), obj)
        assert answer.response["uid"] == asked["request"]["uid"]
        assert answer.whole["kind"] == "AdmissionReview" and answer.whole["apiVersion"] == asked["apiVersion"]
        assert done.returncode == (0 if answer.allowed else 1)
        return answer
