"""The table of pods: what goes in, and the whole pod that must come out, once the API server has applied the patch."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.reviews import (
    APP_ENV, APP_MOUNT, APP_VOLUME, ASK, CLASSIC_SIDECAR, FOLDER, INIT, LABEL, MOUNT, PAIR, REGION, SIDECAR, VOLUME, Webhook, pod, volume,
)

REGION_OPTION = "--region=eu-central-1"


@dataclass
class Row:
    """One pod. changes: what must be at which path of it afterwards, everything else being as it was."""

    name: str
    which: str
    pod: dict[str, Any]
    changes: dict[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    warning: str = ""
    request: dict[str, Any] = field(default_factory=dict)


def put(document: Any, path: str, value: Any) -> None:
    """Sets what is at a path such as spec/containers/0/env; labels and annotations are given whole."""
    *parents, last = path.split("/")
    for token in parents:
        document = document[int(token)] if isinstance(document, list) else document[token]
    if isinstance(document, list):
        document[int(last)] = value
    else:
        document[last] = value


def with_pair(of: str = "spec/containers/0", env: list[Any] | None = None, mounts: list[Any] | None = None) -> dict[str, Any]:
    """The changes of one container that gets the EKS webhook's variables and mount behind what it has."""
    return {f"{of}/env": [*(env or []), *PAIR], f"{of}/volumeMounts": [*(mounts or []), MOUNT]}


def identity(labels: dict[str, str] | None = None, volumes: list[Any] | None = None, **containers: Any) -> dict[str, Any]:
    """The usual changes: volume first, label, and one container."""
    return {"spec/volumes": [VOLUME, *(volumes or [])], "metadata/labels": {**(labels or {}), **LABEL}, **(containers or with_pair())}


def container(name: str = "app", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": f"{name}:1", **more}


def only(**spec: Any) -> dict[str, Any]:
    """A pod with one container like that."""
    return pod({"containers": [container(**spec)]})


LITERAL = {"name": "MODE", "value": "production"}
FROM = {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
DATA = {"name": "data", "mountPath": "/data"}

IDENTITY = [
    Row("plain", "identity", pod(), identity()),
    Row("region", "identity", pod(), {**identity(), "spec/containers/0/env": [*REGION, *PAIR]}, (REGION_OPTION,)),
    Row("env null", "identity", only(env=None), identity()),
    Row("env empty", "identity", only(env=[]), identity()),
    Row("env there", "identity", only(env=[LITERAL, FROM]), identity(**with_pair(env=[LITERAL, FROM]))),
    Row("a name twice", "identity", only(env=[LITERAL, LITERAL]), identity(**with_pair(env=[LITERAL, LITERAL]))),
    Row("an unnamed variable", "identity", only(env=[{}]), identity(**with_pair(env=[{}]))),
    Row("uri there", "identity", only(env=[{"name": PAIR[0]["name"], "value": "http://x"}]),
        {**identity(), "spec/containers/0/env": [{"name": PAIR[0]["name"], "value": "http://x"}]}),
    Row("token file there by valueFrom", "identity", only(env=[{"name": PAIR[1]["name"], "valueFrom": {}}]),
        {**identity(), "spec/containers/0/env": [{"name": PAIR[1]["name"], "valueFrom": {}}]}),
    Row("AWS_REGION there", "identity", only(env=[{"name": "AWS_REGION", "value": "x"}]),
        identity(**with_pair(env=[{"name": "AWS_REGION", "value": "x"}])), (REGION_OPTION,)),
    Row("AWS_DEFAULT_REGION there", "identity", only(env=[{"name": "AWS_DEFAULT_REGION", "value": "x"}]),
        identity(**with_pair(env=[{"name": "AWS_DEFAULT_REGION", "value": "x"}])), (REGION_OPTION,)),
    Row("all there: not even the mount", "identity",
        only(env=[PAIR[0], {"name": "AWS_REGION", "value": "x"}, {"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional"}]),
        {"spec/volumes": [VOLUME], "metadata/labels": LABEL}),
    Row("envFrom is not looked at", "identity", only(envFrom=[{"secretRef": {"name": "aws"}}]), identity()),
    Row("mounts null", "identity", only(volumeMounts=None), identity()),
    Row("mounts empty", "identity", only(volumeMounts=[]), identity()),
    Row("mounts there", "identity", only(volumeMounts=[DATA]), identity(**with_pair(mounts=[DATA]))),
    Row("mount of that name elsewhere", "identity", only(volumeMounts=[{"name": "eks-pod-identity-token", "mountPath": "/x"}]),
        {**identity(), "spec/containers/0/volumeMounts": [{"name": "eks-pod-identity-token", "mountPath": "/x"}]}),
    Row("volumes null", "identity", pod({"volumes": None}), identity()),
    Row("volumes empty", "identity", pod({"volumes": []}), identity()),
    Row("volumes there", "identity", pod({"volumes": [{"name": "data", "emptyDir": {}}]}),
        identity(volumes=[{"name": "data", "emptyDir": {}}])),
    Row("volume of that name", "identity", pod({"volumes": [{"name": "eks-pod-identity-token", "emptyDir": {}}]}),
        {"metadata/labels": LABEL, **with_pair()}),
    Row("init containers", "identity", pod({"initContainers": [container("one"), container("two", restartPolicy="Always")]}),
        {**identity(), **with_pair("spec/initContainers/0"), **with_pair("spec/initContainers/1"), **with_pair()}),
    Row("init containers empty", "identity", pod({"initContainers": []}), identity()),
    Row("init containers null", "identity", pod({"initContainers": None}), identity()),
    Row("ephemeral containers are left alone", "identity", pod({"ephemeralContainers": [container("debug")]}), identity()),
    Row("several containers", "identity", pod({"containers": [container("a"), container("b", env=[LITERAL]), container("c")]}),
        {**identity(), **with_pair(), **with_pair("spec/containers/1", env=[LITERAL]), **with_pair("spec/containers/2")}),
    Row("labels there", "identity", pod(labels={"app": "x"}), identity(labels={"app": "x"})),
    Row("labels null", "identity", pod(labels=None, **{}) | {"metadata": {"name": "x", "labels": None}}, identity()),
    Row("label with another value", "identity", pod(labels={"eks.amazonaws.com/pod-identity": "no"}), identity()),
    Row("label there", "identity", pod(labels=LABEL), {"spec/volumes": [VOLUME], **with_pair()}),
    Row("no metadata", "identity", {"kind": "Pod", "metadata": None, "spec": pod()["spec"]},
        {"metadata": {"labels": LABEL}, "spec/volumes": [VOLUME], **with_pair()}),
    Row("another service account", "identity", pod({"serviceAccountName": "stranger"})),
    Row("no service account is default", "identity", pod({"serviceAccountName": ...}), identity()),
    Row("service account empty", "identity", pod({"serviceAccountName": ""}), identity()),
    Row("service account with dots", "identity", pod({"serviceAccountName": "with.dots"}), identity()),
    Row("namespace of the request", "identity", pod(namespace=""), identity(), request={"namespace": "other"}),
    Row("namespace of the request wins", "identity", pod(namespace="default"), request={"namespace": "elsewhere"}),
    Row("generateName", "identity", pod(name="", generateName="app-"), identity()),
    Row("skip label, empty", "identity", pod(labels={"eks.amazonaws.com/skip-pod-identity-webhook": ""})),
    Row("skip-containers", "identity", pod({"containers": [container("a"), container("b")], "initContainers": [container("c")]},
        annotations={"eks.amazonaws.com/skip-containers": "a,c"}), {**identity(**with_pair("spec/containers/1"))}),
    Row("skip-containers in quotes", "identity", pod(annotations={"eks.amazonaws.com/skip-containers": '"app","b""c"'}),
        {"spec/volumes": [VOLUME], "metadata/labels": LABEL}, warning='names "b"c"'),
    Row("skip-containers with a blank", "identity", pod(annotations={"eks.amazonaws.com/skip-containers": " app"}), identity(),
        warning='names " app", which is no container'),
    Row("skip-containers malformed", "identity", pod(annotations={"eks.amazonaws.com/skip-containers": 'app,"b'}), identity(),
        warning="no container is skipped"),
    Row("skip-containers with a quote inside", "identity", pod(annotations={"eks.amazonaws.com/skip-containers": 'ap"p'}), identity(),
        warning="no container is skipped"),
    Row("skip-containers of nobody", "identity", pod({"serviceAccountName": "stranger"}, annotations={"eks.amazonaws.com/skip-containers": '"'})),
    Row("skip-containers with too many", "identity", pod(annotations={"eks.amazonaws.com/skip-containers": "app," * 256 + "app"}), identity(),
        warning="(more than 256 names or 4095 bytes), so no container is skipped"),
    Row("skip-containers empty", "identity", pod(annotations={"eks.amazonaws.com/skip-containers": ""}), identity()),
    Row("skip-containers, first line", "identity", pod(annotations={"eks.amazonaws.com/skip-containers": "\napp\nother"}),
        {"spec/volumes": [VOLUME], "metadata/labels": LABEL}),
    Row("token-expiration", "identity", pod(annotations={"eks.amazonaws.com/token-expiration": "7200"}),
        {**identity(), "spec/volumes": [volume(7200)]}),
    Row("token-expiration too short", "identity", pod(annotations={"eks.amazonaws.com/token-expiration": "-5"}),
        {**identity(), "spec/volumes": [volume(600)]}),
    Row("token-expiration is no number", "identity", pod(annotations={"eks.amazonaws.com/token-expiration": "1h"}), identity(),
        warning="is no number of seconds, so 3600 are used"),
    Row("token-expiration is huge", "identity", pod(annotations={"eks.amazonaws.com/token-expiration": "9" * 40}), identity(),
        warning="is no number of seconds"),
    Row("audience and url", "identity", pod(), {
        **identity(), "spec/volumes": [volume(audience='a"b')],
        "spec/containers/0/env": [{**PAIR[0], "value": "http://[fd00:ec2::23]/v1/credentials"}, PAIR[1]],
    }, ('--audience=a"b', "--container-credentials-full-uri=http://[fd00:ec2::23]/v1/credentials")),
    Row("windows by selector", "identity", pod({"nodeSelector": {"kubernetes.io/os": "windows"}})),
    Row("windows by the old selector", "identity", pod({"nodeSelector": {"beta.kubernetes.io/os": "windows"}})),
    Row("windows by os", "identity", pod({"os": {"name": "windows"}})),
    Row("linux by selector", "identity", pod({"nodeSelector": {"kubernetes.io/os": "linux"}}), identity()),
    Row("mirror pod", "identity", pod(annotations={"kubernetes.io/config.mirror": "x"})),
    Row("host network", "identity", pod({"hostNetwork": True}), identity()),
    Row("unusable association", "identity", pod({"serviceAccountName": "unusable"}), identity(),
        warning="the association of default.unusable cannot be used"),
    Row("names that need escapes in pointers", "identity",
        pod({"containers": [container("a~b/c", env=[{"name": "x/y~z", "value": "~1"}])]}, labels={"a/b~c": "d"}),
        identity(labels={"a/b~c": "d"}, **with_pair(env=[{"name": "x/y~z", "value": "~1"}]))),
    Row("characters of the world", "identity", pod({"containers": [container("app", args=["żółw \U0001f422 \u2028 \x7f"])]},
        annotations={"ключ": "значение"}), identity()),
    Row("huge numbers", "identity", pod({"terminationGracePeriodSeconds": 10**30, "priority": -1.5e300}), identity()),
    Row("deep", "identity", pod({"affinity": {"a": {"b": {"c": [[[[{"d": [1]}]]]]}}}}), identity()),
    Row("no containers", "identity", pod({"containers": ...}), {"spec/volumes": [VOLUME], "metadata/labels": LABEL}),
    Row("an update", "identity", pod(), request={"operation": "UPDATE"}),
    Row("a subresource", "identity", pod(), request={"subResource": "ephemeralcontainers"}),
    Row("dry run", "identity", pod(), identity(), request={"dryRun": True}),
]


def toolkit(labels: dict[str, str] | None = None, inits: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The usual changes: init container and sidecar first, volume, group, and one container."""
    return {
        "metadata/labels": ASK if labels is None else labels,
        "spec/initContainers": [INIT, SIDECAR, *(inits or [])],
        "spec/volumes": [APP_VOLUME],
        "spec/securityContext": {"fsGroup": 65532},
        **(changes or {"spec/containers/0/env": APP_ENV, "spec/containers/0/volumeMounts": [APP_MOUNT]}),
    }


def app(name: str = "app", **more: Any) -> dict[str, Any]:
    """A container that has got the endpoint."""
    return {**container(name), **more, "env": [*(more.get("env") or []), *APP_ENV], "volumeMounts": [*(more.get("volumeMounts") or []), APP_MOUNT]}


def asks(spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A pod with the label."""
    return pod(spec, labels=ASK, **more)


def wishes(name: str, value: str, spec: dict[str, Any] | None = None) -> dict[str, Any]:
    """A pod with the label and an annotation."""
    return asks(spec, annotations={f"pod-identity-toolkit/{name}": value})


OWN = [{"name": "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "value": "/x"}]
OTHER_PORT = [{**APP_ENV[0], "value": "http://127.0.0.1:8080/v1/credentials"}, *APP_ENV[1:]]
MOVED = {**SIDECAR, "command": ["/pod-identity-sidecar", "serve", "--http=127.0.0.1:8080"]}
TWO = {"containers": [container("a"), container("b")]}

TOOLKIT = [
    Row("asks", "toolkit", asks(), toolkit()),
    Row("does not ask", "toolkit", pod()),
    Row("declines", "toolkit", pod(labels={"pod-identity-toolkit/inject": "disabled"})),
    Row("another value", "toolkit", pod(labels={"pod-identity-toolkit/inject": "true"}), warning="which means nothing: enabled or disabled"),
    Row("init containers of its own", "toolkit", asks({"initContainers": [container("one", env=[LITERAL])]}),
        {**toolkit(inits=[app("one", env=[LITERAL])]), "spec/containers/0": app()}),
    Row("init containers empty", "toolkit", asks({"initContainers": []}), toolkit()),
    Row("volumes of its own", "toolkit", asks({"volumes": [{"name": "data", "emptyDir": {}}]}),
        {**toolkit(), "spec/volumes": [APP_VOLUME, {"name": "data", "emptyDir": {}}]}),
    Row("a group of its own", "toolkit", asks({"securityContext": {"fsGroup": 0}}),
        {**toolkit(), "spec/securityContext": {"fsGroup": 0}}),
    Row("a security context without group", "toolkit", asks({"securityContext": {"runAsUser": 7}}),
        {**toolkit(), "spec/securityContext": {"runAsUser": 7, "fsGroup": 65532}}),
    Row("security context null", "toolkit", asks({"securityContext": None}), toolkit()),
    Row("group null", "toolkit", asks({"securityContext": {"fsGroup": None}}), toolkit()),
    Row("an endpoint of its own", "toolkit", asks({"containers": [container("a", env=OWN), container("b")]}),
        toolkit(**{"spec/containers/1": app("b")})),
    Row("a variable of ours is there", "toolkit", asks({"containers": [container(env=[{"name": "AWS_EC2_METADATA_DISABLED", "value": "false"}])]}),
        toolkit(**{"spec/containers/0/env": [{"name": "AWS_EC2_METADATA_DISABLED", "value": "false"}, *APP_ENV[:2]],
                   "spec/containers/0/volumeMounts": [APP_MOUNT]})),
    Row("the EKS webhook's pair", "toolkit", asks({"containers": [container(env=[LITERAL, *PAIR, *REGION], volumeMounts=[MOUNT])], "volumes": [VOLUME]}),
        {**toolkit(**{"spec/containers/0/env": [LITERAL, *APP_ENV[:2], *REGION, APP_ENV[2]],
                      "spec/containers/0/volumeMounts": [MOUNT, APP_MOUNT]}),
         "spec/volumes": [APP_VOLUME, VOLUME],
         "spec/initContainers": [{**INIT, "env": [*PAIR, *REGION], "volumeMounts": [MOUNT]},
                                 {**SIDECAR, "env": [*SIDECAR["env"], *PAIR, *REGION], "volumeMounts": [*SIDECAR["volumeMounts"], MOUNT]}]}),
    Row("there already", "toolkit", asks({"initContainers": [INIT, SIDECAR]})),
    Row("there already, from another registry", "toolkit", asks({"initContainers": [{**INIT, "image": "mirror/init@sha256:0"}]})),
    Row("port", "toolkit", wishes("port", "8080"),
        {**toolkit(), "spec/initContainers": [INIT, MOVED], "spec/containers/0/env": OTHER_PORT}),
    Row("wait", "toolkit", wishes("wait", "90s"),
        {**toolkit(), "spec/initContainers": [{**INIT, "command": ["/pod-identity-init", "--wait=90s"]}, SIDECAR]}),
    Row("profile", "toolkit", wishes("profile", "billing"),
        {**toolkit(), "spec/containers/0/env": [{**APP_ENV[0], "value": APP_ENV[0]["value"] + "/billing"}, *APP_ENV[1:]]}),
    Row("containers", "toolkit", wishes("containers", " b ", TWO), toolkit(**{"spec/containers/1": app("b")})),
    Row("skip-containers", "toolkit", asks(TWO, annotations={"eks.amazonaws.com/skip-containers": "a"}), toolkit(**{"spec/containers/1": app("b")})),
    Row("containers win over skip-containers", "toolkit",
        asks(TWO, annotations={"eks.amazonaws.com/skip-containers": "a", "pod-identity-toolkit/containers": "a"}),
        toolkit(**{"spec/containers/0": app("a")})),
    Row("mirror pod", "toolkit", asks(annotations={"kubernetes.io/config.mirror": "x"})),
    Row("classic", "classic", asks(), {
        **toolkit(), "spec/initContainers": [INIT], "spec/containers": [CLASSIC_SIDECAR, app()],
        "metadata/annotations": {"kubectl.kubernetes.io/default-container": "app"}}),
    Row("classic with annotations", "classic", asks(annotations={"a": "b"}), {
        **toolkit(), "spec/initContainers": [INIT], "spec/containers": [CLASSIC_SIDECAR, app()],
        "metadata/annotations": {"a": "b", "kubectl.kubernetes.io/default-container": "app"}}),
    Row("classic with a default container", "classic", asks(annotations={"kubectl.kubernetes.io/default-container": "x"}), {
        **toolkit(), "spec/initContainers": [INIT], "spec/containers": [CLASSIC_SIDECAR, app()]}),
    Row("both", "both", asks(), {
        **toolkit(**{"spec/containers/0/env": [*APP_ENV, *REGION], "spec/containers/0/volumeMounts": [APP_MOUNT, MOUNT]}),
        "metadata/labels": {**ASK, **LABEL},
        "spec/volumes": [VOLUME, APP_VOLUME],
        "spec/initContainers": [{**INIT, "env": [*REGION, *PAIR], "volumeMounts": [MOUNT]},
                                {**SIDECAR, "env": [*SIDECAR["env"], *REGION, *PAIR], "volumeMounts": [*SIDECAR["volumeMounts"], MOUNT]}],
    }, (REGION_OPTION,)),
    Row("both, not associated", "both", asks({"serviceAccountName": "stranger"}), toolkit()),
    Row("both, not asked for", "both", pod(), identity()),
    Row("both, init skipped", "both", asks(annotations={"eks.amazonaws.com/skip-containers": "pod-identity-init,app"}), {
        **toolkit(**{"metadata/labels": {**ASK, **LABEL}}), "spec/volumes": [VOLUME, APP_VOLUME],
        "spec/initContainers": [INIT, {**SIDECAR, "env": [*SIDECAR["env"], *PAIR], "volumeMounts": [*SIDECAR["volumeMounts"], MOUNT]}],
    }),
]

IRSA_ENV = [{"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/x"}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/irsa/token"}]
IRSA_MOUNT = {"name": "aws-iam-token", "mountPath": "/irsa", "readOnly": True}
TOOLKIT.append(Row(
    "IRSA's variables", "toolkit",
    asks({"containers": [container(env=IRSA_ENV, volumeMounts=[IRSA_MOUNT])], "volumes": [{"name": "aws-iam-token", "projected": {}}]}),
    {**toolkit(**{"spec/containers/0/env": [*IRSA_ENV, *APP_ENV], "spec/containers/0/volumeMounts": [IRSA_MOUNT, APP_MOUNT]}),
     "spec/volumes": [APP_VOLUME, {"name": "aws-iam-token", "projected": {}}],
     "spec/initContainers": [{**INIT, "env": IRSA_ENV, "volumeMounts": [IRSA_MOUNT]},
                             {**SIDECAR, "env": [*SIDECAR["env"], *IRSA_ENV], "volumeMounts": [*SIDECAR["volumeMounts"], IRSA_MOUNT]}]}))

ROWS = IDENTITY + TOOLKIT


def names_once(items: list[Any]) -> bool:
    """Whether no two have the same name."""
    names = [item.get("name") for item in items or []]
    return len(names) == len(set(names))


def holds_together(spec: dict[str, Any], given: dict[str, Any]) -> None:
    """What the API server's validation asks of what was added: names once, mounts of volumes that are there."""
    volumes = {item["name"] for item in spec.get("volumes") or []}
    everyone = (spec.get("initContainers") or []) + (spec.get("containers") or [])
    assert names_once(spec.get("volumes") or []) and names_once(everyone)
    before = {item.get("name"): item for item in (given.get("initContainers") or []) + (given.get("containers") or [])}
    for item in everyone:
        had = [mount["name"] for mount in before.get(item["name"], {}).get("volumeMounts") or []]
        assert all(mount["name"] in volumes for mount in item.get("volumeMounts") or [] if mount["name"] not in had), item
        assert names_once(item.get("env") or []) or not names_once(before.get(item["name"], {}).get("env") or []), item


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.which}: {row.name}" for row in ROWS])
def test_a_pod(webhook: Webhook, row: Row) -> None:
    """The pod is changed as the row says, and in nothing else; what comes out, given in again, is not changed any more."""
    options = (*webhook.options(row.which), *row.options)
    wanted = copy.deepcopy(row.pod)
    for path, value in row.changes.items():
        put(wanted, path, value)
    answer = webhook.ask(row.pod, *options, **row.request)
    assert answer.allowed
    assert answer.pod == wanted
    assert (answer.patch is None) == (not row.changes)
    assert len(answer.warnings) == bool(row.warning) and row.warning in "".join(answer.warnings)
    if answer.patch is not None:
        holds_together(answer.pod["spec"], row.pod["spec"])
    again = webhook.ask(answer.pod, *options, **row.request)
    assert again.patch is None and again.allowed


def test_the_table_is_large_enough() -> None:
    """At least 60 pods, each with a name of its own."""
    assert len({(row.which, row.name) for row in ROWS}) == len(ROWS) >= 60
    assert FOLDER.endswith("serviceaccount")
