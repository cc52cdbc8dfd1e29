"""What cannot be done, and what is no review of a pod: clear words, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.reviews import APP_MOUNT, APP_VOLUME, ASK, INIT, LABEL, SIDECAR, UID, VOLUME, Webhook, pod, review

LABELLED = "the pod has the label pod-identity-toolkit/inject, but no pod-identity-init: "
SPACE = "the pod's namespace asks for the toolkit, but the pod has no pod-identity-init: "


def wish(name: str, value: str) -> dict[str, Any]:
    """A pod with the label and an annotation."""
    return pod(labels=ASK, annotations={f"pod-identity-toolkit/{name}": value})


CANNOT = {
    "hostNetwork": (pod({"hostNetwork": True}, labels=ASK),
                    "it has hostNetwork, and its loopback is the node's: take the label away, and add the sidecar by hand, with its Unix "
                    "socket or a port of its own"),
    "windows": (pod({"os": {"name": "windows"}}, labels=ASK), "it is a Windows pod, for which there are no programs: take the label away"),
    "windows by selector": (pod({"nodeSelector": {"kubernetes.io/os": "windows"}}, labels=ASK),
                            "it is a Windows pod, for which there are no programs: take the label away"),
    "volume": (pod({"volumes": [APP_VOLUME]}, labels=ASK), "it has a volume pod-identity, a name that the toolkit uses: rename it"),
    "mount": (pod({"containers": [{"name": "a", "volumeMounts": [{"name": "x", "mountPath": "/run/pod-identity/"}]}, {"name": "b"},
                                  {"name": "c", "volumeMounts": [{"name": "x", "mountPath": "/run/pod-identity"}]}]}, labels=ASK),
              "something is mounted at /run/pod-identity, which the toolkit uses, in: a, c; mount it elsewhere"),
    "sidecar alone": (pod({"initContainers": [SIDECAR]}, labels=ASK),
                      "it has a container pod-identity-sidecar, a name that the toolkit uses, but no pod-identity-init: rename it, or add "
                      "pod-identity-init by hand"),
    "name of ours": (pod({"containers": [{"name": "pod-identity-x"}]}, labels=ASK),
                     "it has a container pod-identity-x, a name that the toolkit uses, but no pod-identity-init: rename it, or add "
                     "pod-identity-init by hand"),
    "init among the containers": (pod({"containers": [{"name": "pod-identity-init"}]}, labels=ASK),
                                  "it has a container pod-identity-init, a name that the toolkit uses, but no pod-identity-init: rename it, "
                                  "or add pod-identity-init by hand"),
    "port": (wish("port", "65536"), 'annotation pod-identity-toolkit/port is "65536", which is no port: give a number from 1 to 65535'),
    "port 0": (wish("port", "0"), 'annotation pod-identity-toolkit/port is "0", which is no port: give a number from 1 to 65535'),
    "wait": (wish("wait", "2 min"), 'annotation pod-identity-toolkit/wait is "2 min", which is no duration such as 90s or 2m'),
    "profile": (wish("profile", 'a"b'),
                'annotation pod-identity-toolkit/profile is "a\\"b", which is no profile\'s name: 1 to 128 letters, digits and any of '
                "-_.@+=,:/"),
    "containers": (wish("containers", "app, web"),
                   "annotation pod-identity-toolkit/containers names web, which it does not have: its containers are app"),
    "containers empty": (wish("containers", "app,,"),
                         'annotation pod-identity-toolkit/containers is "app,,", which is no list of containers: give their names with '
                         "commas between"),
}


@pytest.mark.parametrize("name", CANNOT)
def test_what_cannot_be_done(webhook: Webhook, name: str) -> None:
    """It is let through with a warning, and with what else it gets, or refused: by the same words."""
    obj, why = CANNOT[name]
    answer = webhook.ask(obj, *webhook.options("both"))
    assert answer.allowed and answer.warnings == [LABELLED + why]
    windows = name.startswith("windows")
    assert answer.pod == obj if windows else answer.pod["metadata"]["labels"] == {**ASK, **LABEL}
    assert windows or VOLUME in answer.pod["spec"]["volumes"]
    assert answer.pod["spec"].get("initContainers", []) == obj["spec"].get("initContainers", []) or name == "sidecar alone"
    refused = webhook.ask(obj, *webhook.options("both"), "--on-problem=refuse")
    assert not refused.allowed and refused.patch is None and refused.message == LABELLED + why and not refused.warnings
    assert refused.response["status"]["code"] == 403 and refused.response["status"]["reason"] == "Forbidden"


@pytest.mark.parametrize("spec", [{"restartPolicy": "Never"}, {"restartPolicy": "OnFailure"}, {}], ids=["Never", "OnFailure", "Job"])
def test_a_pod_that_ends_gets_no_ordinary_sidecar(webhook: Webhook, spec: dict[str, Any]) -> None:
    """It would never end. A native sidecar does not hold it."""
    owners = {} if spec else {"ownerReferences": [{"kind": "Job", "name": "x"}]}
    obj = pod(spec, labels=ASK, **owners)
    answer = webhook.ask(obj, *webhook.options("classic"))
    assert answer.patch is None and "it is a pod that ends, as a Job's" in answer.warnings[0] and "job-classic.yaml" in answer.warnings[0]
    assert webhook.ask(obj, *webhook.options("toolkit")).patch is not None


def test_a_namespace_that_asks(webhook: Webhook) -> None:
    """All pods that come on its path are asked for, but for those that decline; and the words are others."""
    options = (*webhook.options("toolkit"), "--path=/mutate/namespace")
    assert webhook.ask(pod(), *options).pod["spec"]["initContainers"] == [INIT, SIDECAR]
    assert webhook.ask(pod(labels=ASK), *options).pod["spec"]["initContainers"] == [INIT, SIDECAR]
    assert webhook.ask(pod(labels={"pod-identity-toolkit/inject": "disabled"}), *options).patch is None
    answer = webhook.ask(pod({"hostNetwork": True}), *options)
    assert answer.warnings == [
        SPACE + "it has hostNetwork, and its loopback is the node's: give it the label pod-identity-toolkit/inject: disabled, and add the "
        "sidecar by hand, with its Unix socket or a port of its own"
    ]


def test_a_pod_with_too_many_containers(webhook: Webhook) -> None:
    """The patch has a limit, which is said."""
    obj = pod({"containers": [{"name": f"c{i}"} for i in range(1000)]}, labels=ASK)
    answer = webhook.ask(obj, *webhook.options("toolkit"))
    assert answer.patch is None and "so many containers that the patch would have more than 131072 bytes" in answer.warnings[0]
    assert not webhook.ask(obj, *webhook.options("toolkit"), "--on-problem=refuse").allowed
    obj["spec"]["containers"].append({"name": "last"})
    answer = webhook.ask(obj, *webhook.options("both"))
    assert answer.patch is None and answer.warnings == ["the pod is not injected: it has more than 1000 containers"]


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_both_versions(webhook: Webhook, version: str) -> None:
    """The answer has the version of the question."""
    assert webhook.ask(pod(), *webhook.options("identity"), version=version).patch


def test_jitter(webhook: Webhook) -> None:
    """The usual life of a token is drawn, from 79,200 to 86,400 seconds."""
    options = [f"--associations={webhook.associations}"]
    lives = set()
    for _ in range(12):
        source = webhook.ask(pod(), *options).pod["spec"]["volumes"][0]["projected"]["sources"][0]
        lives.add(source["serviceAccountToken"]["expirationSeconds"])
    assert len(lives) > 3 and all(79200 <= life <= 86400 for life in lives)


def text_of(obj: Any, **more: Any) -> str:
    return json.dumps(review(obj, **more))


def test_what_json_may_look_like(webhook: Webhook) -> None:
    """Escapes in names, blanks, and members that are there twice: the last one counts, as when the API server applies the patch."""
    options = webhook.options("identity")
    usual = webhook.ask(pod(), *options)
    escaped = text_of(pod()).replace('"spec"', '"\\u0073pec"').replace('"containers"', '"contain\\u0065rs"').replace('"uid"', '"\\u0075id"')
    assert webhook.ask(pod(), *options, raw=escaped).patch == usual.patch
    assert webhook.ask(pod(), *options, raw=json.dumps(review(pod()), indent="\t")).patch == usual.patch
    twice = text_of(pod()).replace('"spec": {', '"spec": {"containers": [{"name": "no", "env": []}], "volumes": 7, "volumes": null, ', 1)
    assert webhook.ask(pod(), *options, raw=twice).patch == usual.patch
    last = text_of(pod()).replace('"name": "app", ', '"env": [], "name": "app", "env": [{"name": "AWS_REGION", "value": "x"}], ', 1)
    assert [op["path"] for op in webhook.ask(None, *options, raw=last).patch or []][0] == "/spec/containers/0/env/-"


MALFORMED: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "the body is empty"),
    "blanks": (" \n", "it ends too early (byte 3)"),
    "no JSON": ("apiVersion: v1\nkind: Pod\n", "the body is not JSON: a value is expected here (byte 1)"),
    "cut": (text_of(pod())[:-1], "it ends too early"),
    "two documents": (text_of(pod()) + "{}", "something follows behind its end"),
    "no object": ("[1]", "the body is not a JSON object"),
    "deep": ('{"a":' + "[" * 10000 + "]" * 10000 + "}", "it is nested more than 64 deep"),
    "deep objects": ('{"a":' * 10000 + "1" + "}" * 10000, "it is nested more than 64 deep"),
    "not UTF-8": (b'{"kind":"\xff"}', "a string is not valid UTF-8"),
    "control character": ('{"a":"\n"}', "a string holds a control character"),
    "escape": ('{"a":"\\x"}', "a backslash is followed by what is no escape"),
    "unit": ('{"a":"\\u12g4"}', "\\u is not followed by four hexadecimal digits"),
    "number": ('{"a":01}', "a number begins with 0"),
    "fraction": ('{"a":1.}', "a number is not complete"),
    "trailing comma": ('{"a":1,}', "a member's name is expected here"),
    "no colon": ('{"a" 1}', "a colon is expected here"),
    "wrong bracket": ('{"a":[1}', "a comma or ] is expected here"),
    "NaN": ('{"a":NaN}', "a value is expected here"),
    "a mark in front": ("\ufeff{}", "a value is expected here"),
    "kind": ('{"kind":"Deployment","apiVersion":"apps/v1"}', 'it is of kind "Deployment": a Pod or an AdmissionReview is expected'),
    "no kind": ("{}", "it is of kind none"),
    "review of another kind": ('{"kind":"Review","request":{}}', 'the body is of kind "Review": an AdmissionReview is expected'),
    "version": ('{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v2","request":{}}',
                'of version "admission.k8s.io/v2": admission.k8s.io/v1 or admission.k8s.io/v1beta1 is expected'),
    "no version": ('{"kind":"AdmissionReview","request":{}}', "of version none"),
    "request": ('{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":7}', "the AdmissionReview has no request"),
    "no kind of object": (text_of(pod(), kind=None), "request.kind is missing"),
    "no uid": (text_of(pod(), uid=""), "request.uid is missing"),
    "uid": (text_of(pod(), uid=7), "request.uid is of the wrong type"),
    "no pod": (text_of(None), "request.object is missing: there is no pod"),
    "no spec": (text_of({"metadata": {}}), "the object is no pod: the pod has no spec"),
    "spec": (text_of({"spec": []}), "the object is no pod: spec is not an object"),
    "containers": (text_of(pod({"containers": {}})), "spec.containers is not an array"),
    "container": (text_of(pod({"containers": [{}, 7]})), "spec.containers[1] is not an object"),
    "name": (text_of(pod({"containers": [{"name": 7}]})), "spec.containers[0].name is not a string"),
    "env": (text_of(pod({"initContainers": [{"env": {}}]})), "spec.initContainers[0].env is not an array"),
    "variable": (text_of(pod({"containers": [{"env": ["A=b"]}]})), "spec.containers[0].env[0] is not an object"),
    "mount": (text_of(pod({"containers": [{"volumeMounts": [None]}]})), "spec.containers[0].volumeMounts[0] is not an object"),
    "volume": (text_of(pod({"volumes": [{}, []]})), "spec.volumes[1] is not an object"),
    "labels": (text_of(pod(labels=[])), "metadata.labels is not an object"),
    "host network": (text_of(pod({"hostNetwork": "yes"})), "spec.hostNetwork is not true or false"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_review_of_a_pod(webhook: Webhook, name: str) -> None:
    """It is said what is wrong, and where."""
    text, words = MALFORMED[name]
    done = webhook.run(text, *webhook.options("toolkit"))
    assert (done.returncode, done.stdout) == (65, b"")
    assert words in done.stderr.decode() and done.stderr.count(b"\n") == 1


def test_a_review_of_something_else(webhook: Webhook) -> None:
    """The webhook's configuration sends too much: said to whoever creates it."""
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    answer = webhook.ask({"spec": {}}, *webhook.options("both"), kind=kind)
    words = 'this webhook is for pods, and was asked about a Deployment of group "apps"'
    assert answer.allowed and answer.patch is None and words in answer.warnings[0]
    assert words in webhook.ask({"spec": {}}, *webhook.options("both"), "--on-problem=refuse", kind=kind).message


@pytest.mark.parametrize("refuse", [False, True])
def test_a_review_that_is_too_large(webhook: Webhook, refuse: bool) -> None:
    """It is answered all the same, as configured: its uid stands at its beginning."""
    obj = pod(annotations={"x": "y" * 300000}, labels=ASK)
    options = [*webhook.options("both"), *(["--on-large=refuse"] if refuse else [])]
    answer = webhook.ask(obj, *options)
    words = "the pod is too large to be injected: its review has more than 262144 bytes"
    assert answer.allowed != refuse and answer.patch is None and words in (answer.message if refuse else answer.warnings[0])
    assert webhook.ask(obj, *options, version="v1beta1").allowed != refuse
    for text in ("x" * 300000, '{"request":{"object":{"a":"' + "x" * 300000):
        done = webhook.run('{"request":{},"x":"' + text, *options)
        assert done.returncode == 65 and b"request.uid does not stand at its beginning" in done.stderr


def test_the_largest_that_is_looked_at(webhook: Webhook) -> None:
    """To the byte."""
    spare = 262144 - len(text_of(pod(annotations={"x": ""})))
    answer = webhook.ask(pod(annotations={"x": "y" * spare}), *webhook.options("identity"))
    assert answer.patch and len(text_of(pod(annotations={"x": "y" * spare}))) == 262144
    assert webhook.ask(pod(annotations={"x": "y" * (spare + 1)}), *webhook.options("identity")).patch is None


def test_a_pod_by_itself(webhook: Webhook) -> None:
    """People may ask, too: the patch is shown as it is."""
    done = webhook.run(json.dumps(pod()), *webhook.options("identity"))
    assert done.returncode == 0 and json.loads(done.stdout) == webhook.ask(pod(), *webhook.options("identity")).patch
    done = webhook.run(json.dumps(pod({"serviceAccountName": "stranger"})), *webhook.options("identity"))
    assert (done.returncode, done.stdout) == (0, b"[]\n")
    done = webhook.run(json.dumps(pod({"hostNetwork": True}, labels=ASK)), *webhook.options("toolkit"), "--on-problem=refuse")
    assert done.returncode == 1 and done.stdout == b"" and LABELLED.encode() in done.stderr
    done = webhook.run(json.dumps(pod({"hostNetwork": True}, labels=ASK)), *webhook.options("toolkit"))
    assert done.returncode == 0 and done.stdout == b"[]\n" and b"warnings: [" in done.stderr
    assert UID and APP_MOUNT
