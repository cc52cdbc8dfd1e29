"""The rights that --remove-startup-taint needs: its policy, evaluated with the API server's own code."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from manifests import FOLDER, load
from test_policies import evaluator  # noqa: F401  # a fixture

DOCUMENTS = load((FOLDER / "agent" / "startup-taint.yaml").read_text())
BY_KIND = {each["kind"]: each for each in DOCUMENTS}
ACCOUNT = "system:serviceaccount:kube-system:pod-identity-agent"
KEY = "example.com/agent-not-ready"
CLAIM = "authentication.kubernetes.io/node-name"
OURS, OTHER = {"key": KEY, "effect": "NoSchedule"}, {"key": "other", "value": "x", "effect": "NoExecute"}
Denied = Callable[..., list[str]]


def node(*taints: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "node-1", "labels": {"a": "b"}}, "spec": {"providerID": "aws:///x", **({"taints": list(taints)} if taints else {}), **spec}}


@pytest.fixture
def denied(evaluator: Path) -> Denied:  # noqa: F811
    def run(old: dict[str, Any], new: dict[str, Any], user: str = ACCOUNT, on: str | None = "node-1", **more: Any) -> list[str]:
        asked = {"policy": BY_KIND["ValidatingAdmissionPolicy"], "node": new, "old_node": old, "user": user, "extra": {CLAIM: [on]} if on else {}, **more}
        done = subprocess.run([evaluator], input=json.dumps(asked) + "\n", capture_output=True, text=True, check=True)
        answer = json.loads(done.stdout)
        assert "error" not in answer, answer["error"]
        return answer.get("denied", [])
    return run


def test_what_the_agent_may_do(denied: Denied) -> None:
    assert denied(node(OURS), node()) == []
    assert denied(node(OURS, OTHER), node(OTHER)) == []
    assert denied(node(OTHER, OURS, {**OURS, "effect": "NoExecute"}), node(OTHER)) == []


def test_what_it_may_not_do(denied: Denied) -> None:
    own = "the agent may remove the taint example.com/agent-not-ready, and change no other"
    assert denied(node(OURS, OTHER), node()) == [own]
    assert denied(node(OURS), node(OTHER)) == [own]
    assert denied(node(), node(OURS)) == [own]
    nothing = "the agent may remove its startup taint, and change nothing else of a node"
    labelled = copy.deepcopy(node())
    labelled["metadata"]["labels"] = {"a": "c"}
    annotated = copy.deepcopy(node())
    annotated["metadata"]["annotations"] = {"a": "c"}
    for other in (labelled, annotated, node(unschedulable=True), node(providerID="aws:///y")):
        assert denied(node(OURS), other) == [nothing]
    for on in ("node-2", None):
        assert denied(node(OURS), node(), on=on) == ["the agent may change its own node alone, not node-1"]


def test_everybody_else_may_go_on(denied: Denied) -> None:
    assert denied(node(OURS, OTHER), node(unschedulable=True), user="admin", on=None) == []


def test_rights_and_names_fit() -> None:
    account = BY_KIND["ServiceAccount"]["metadata"]
    assert f"system:serviceaccount:{account['namespace']}:{account['name']}" == ACCOUNT
    assert BY_KIND["ClusterRole"]["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]}]
    assert BY_KIND["ClusterRoleBinding"]["subjects"] == [{"kind": "ServiceAccount", **account}]
    policy, binding = BY_KIND["ValidatingAdmissionPolicy"], BY_KIND["ValidatingAdmissionPolicyBinding"]
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}
    assert policy["spec"]["failurePolicy"] == "Fail"
