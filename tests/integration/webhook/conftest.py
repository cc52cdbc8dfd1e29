"""Fixtures of the webhook's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.reviews import Webhook


@pytest.fixture(name="webhook", scope="module")
def webhook_fixture(tmp_path_factory: pytest.TempPathFactory) -> Webhook:
    """The program, with a template and associations."""
    folder: Path = tmp_path_factory.mktemp("webhook")
    return Webhook(folder / "files")
