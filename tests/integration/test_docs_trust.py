"""The trust policies that the documentation shows, judged by the emulator's IAM: they let the pod in that they are for, and no other."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.emulator import ACCOUNT, Emulator
from harness.programs import ROOT, Run
from harness.token_files import ProjectedToken

sys.path.insert(0, str(ROOT / "tests"))
from emulator.identity import allowed  # noqa: E402

ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
REGION, CLUSTER = "eu-central-1", "demo"


def of_quick_start() -> dict[str, Any]:
    """With the words in capitals replaced."""
    [text] = re.findall(r"cat >trust.json <<'END'\n(.*?)END\n", (ROOT / "images/QUICKSTART.md").read_text(), re.DOTALL)
    return dict(json.loads(text.replace("REGION", REGION).replace("CLUSTER", CLUSTER).replace("111122223333", ACCOUNT)))


def of_terraform() -> set[tuple[str, str]]:
    """Its conditions: operator and key."""
    return set(re.findall(r'test +  *= "(\w+)"\s+variable = "([^"]+)"', (ROOT / "images/terraform/main.tf").read_text()))


Ask = Callable[[str, str], Run]


@pytest.fixture
def ask(run_init: Callable[..., Run], emulator: Emulator, injected: dict[str, str], token: ProjectedToken) -> Ask:
    """ask(namespace, service_account): init in a pod of those, whose association names ROLE."""
    def run(namespace: str, account: str) -> Run:
        emulator.associate(namespace, account, ROLE)
        token.rotate(emulator.token(namespace, account))
        return run_init("--expect-namespace=" + namespace)
    return run


def test_the_quick_starts_policy(ask: Ask, emulator: Emulator) -> None:
    emulator.role(ROLE, of_quick_start())
    assert ask("default", "app").exit_code == 0
    for namespace, account in (("default", "other"), ("other", "app")):
        refused = ask(namespace, account)
        assert refused.exit_code == 21, refused.stdout


@pytest.mark.parametrize(("operator", "key", "value"), [
    ("ArnEquals", "aws:SourceArn", f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/another"), ("StringEquals", "aws:SourceAccount", "999988887777")])
def test_another_cluster_or_account(ask: Ask, emulator: Emulator, operator: str, key: str, value: str) -> None:
    policy = of_quick_start()
    assert key in policy["Statement"][0]["Condition"][operator]
    policy["Statement"][0]["Condition"][operator][key] = value
    emulator.role(ROLE, policy)
    assert ask("default", "app").exit_code == 21


def test_terraform_has_the_same_conditions() -> None:
    shown = {(operator, key) for operator, pairs in of_quick_start()["Statement"][0]["Condition"].items() for key in pairs}
    assert shown == of_terraform() and len(shown) == 4


def test_every_policy_has_conditions() -> None:
    """Whatever page it is on."""
    pages = [path for folder in ("images", "sidecar", "init", "agent") for path in sorted((ROOT / folder).rglob("*.md")) if "node_modules" not in path.parts]
    found = [(path, json.loads(block)) for path in pages for block in re.findall(r"^```json\n(.*?)^```", Path(path).read_text(), re.DOTALL | re.MULTILINE)
             if '"Statement"' in block]
    assert len(found) >= 3
    for path, policy in [*found, (Path("QUICKSTART"), of_quick_start())]:
        assert all(one.get("Condition") for one in policy["Statement"] if "Principal" in one), path


@pytest.mark.parametrize(("account", "external_id", "fits"), [("cart", "cart", True), ("other", "cart", False), ("cart", "", False)])
def test_the_recipes_policy(account: str, external_id: str, fits: bool) -> None:
    """Of another account: its conditions name the session tags of the pod that asks."""
    [block] = [block for block in re.findall(r"^```json\n(.*?)^```", (ROOT / "images/RECIPES.md").read_text(), re.DOTALL | re.MULTILINE)
               if "sts:ExternalId" in block]
    context = {"aws:PrincipalTag/kubernetes-namespace": "shop", "aws:PrincipalTag/kubernetes-service-account": account,
               **({"sts:ExternalId": external_id} if external_id else {})}
    assert all(allowed(json.loads(block), action, "AWS", {ROLE}, context) == fits for action in ("sts:AssumeRole", "sts:TagSession"))
