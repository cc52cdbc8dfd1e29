"""Fixtures of the sources' tests."""

from __future__ import annotations

from typing import Callable

import pytest

from harness.aws import Aws
from harness.emulator import Emulator
from harness.token_files import ProjectedToken


@pytest.fixture
def aws(emulator: Emulator) -> Aws:
    """STS behind TLS, its certificates, and what the webhook injects."""
    return Aws(emulator)


@pytest.fixture
def web_token(emulator: Emulator, write_token: Callable[..., ProjectedToken]) -> ProjectedToken:
    """A token for STS."""
    return write_token(emulator.token(audience="sts.amazonaws.com"))
