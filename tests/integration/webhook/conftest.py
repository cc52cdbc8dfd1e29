"""Fixtures of the webhook's tests."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness.reviews import Webhook
from harness.webhook_process import Authority, WebhookProcess


@pytest.fixture(name="webhook", scope="module")
def webhook_fixture(tmp_path_factory: pytest.TempPathFactory) -> Webhook:
    """The program, with a template and associations."""
    folder: Path = tmp_path_factory.mktemp("webhook")
    return Webhook(folder / "files")


@pytest.fixture(name="authority", scope="module")
def authority_fixture(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(name="start")
def start_fixture(webhook: Webhook, authority: Authority, tmp_path: Path) -> Iterator[Callable[..., WebhookProcess]]:
    """start(*options, ...) -> WebhookProcess; ended with the test."""
    running: list[WebhookProcess] = []

    def start(*options: str, **more: object) -> WebhookProcess:
        running.append(WebhookProcess(webhook, tmp_path / f"process-{len(running)}", authority, *options, **more))  # type: ignore[arg-type]
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.stop(signal.SIGKILL)
