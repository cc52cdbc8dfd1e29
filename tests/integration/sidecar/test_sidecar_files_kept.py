"""pod-identity-sidecar: an existing --credentials-file as botocore reads it before and after: only our keys change."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

from harness.emulator import Emulator
from harness.programs import Run
from harness.served import issued

configloader = pytest.importorskip("botocore.configloader")

OURS = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token", "aws_account_id", "x_security_token_expires"}
KEYS = "aws_access_key_id = AKIAOLD\naws_secret_access_key = old\n"
FILES = {
    "none": "",
    "indented": "  [default]\n  aws_access_key_id = AKIAOLD\n  aws_secret_access_key = old\n",
    "indented, with more": "  [default]\n  region = eu-central-1\n  aws_access_key_id = AKIAOLD\n  s3 =\n    addressing_style = path\n  [other]\n  a = b\n",
    "indented by tabs": "\t[default]\n\taws_access_key_id = AKIAOLD\n\tregion = x\n\n\t# about other\n\t[other]\n\ta = b\n",
    "only the settings are indented": "[default]\n  region = x\n  aws_access_key_id = AKIAOLD\n  output = json\n[other]\na = b\n",
    "only the settings are indented, and the next header": "[default]\n  region = x\n  [other]\n  a = b\n",
    "the next header is indented": "[default]\n  [other]\n  a = b\n",
    "settings of ours": f"[default]\nregion = eu-central-1\n{KEYS}s3 =\n  max_concurrent_requests = 4\n  aws_session_token = nested\n# a remark\noutput = json\n",
    "upper case and colons": "[default]\nAWS_ACCESS_KEY_ID: AKIAOLD\nAws_Security_Token : old\nREGION: x\n",
    "a value of several lines": "[default]\naws_session_token = old\n  older\n\n  oldest\nregion = x\n  y\n[other]\nz = 1\n",
    "CRLF": f"[default]\r\n{KEYS}region = x\r\n\r\n[other]\r\na = b\r\n",
    "CR": "[default]\raws_access_key_id = AKIAOLD\rregion = x\r[other]\ra = b\r",
    "remarks": f"# top\n\n; more\n[other]\na = b\n\n# about default\n[default] # mine\n; first\n{KEYS}  # in between\nregion = x\n# end\n",
    "no end of the last line": "[default]\nregion = x",
    "other spellings": "[profile default]\na = b\n[Default]\nc = d\n",
    "settings for all": "[DEFAULT]\nregion = y\n[default]\na = b\n",
    "brackets in values": "[default]\nx = [other]\ny =\n  [q]=1\n[other]\na = b\n",
    "text": "[\u00e9]\nx = \u20ac\n[default]\nregion\u00a0= x\n",
}


def profiles(path: Path) -> dict[str, dict[str, Any]]:
    """As botocore has them; a nested block is a dictionary."""
    return configloader.raw_config_parse(str(path))


def others(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What must stay: all but our keys of our profile."""
    rest = {name: dict(settings) for name, settings in found.items()}
    rest["default"] = {key: value for key, value in rest.get("default", {}).items() if key not in OURS}
    return rest


@pytest.mark.parametrize("name", FILES)
def test_kept(run_sidecar: Callable[..., Run], emulator: Emulator, injected: dict[str, str], folder: Path, name: str) -> None:
    file = folder / "credentials"
    file.write_bytes(FILES[name].encode())
    before = others(profiles(file))
    for _ in range(2):
        run = run_sidecar("once", "--wait=0", f"--credentials-file={file}", env=injected)
        assert run.exit_code == 0, run.stderr
        found = profiles(file)
        assert others(found) == before, file.read_bytes()
        key, secret, token = issued(emulator)[-1]
        ours = found["default"]
        assert (ours["aws_access_key_id"], ours["aws_secret_access_key"], ours["aws_session_token"]) == (key, secret, token)
        assert "aws_security_token" not in ours and b"AKIAOLD" not in file.read_bytes()
    lines = file.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    kept = [line for line in FILES[name].encode().replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
            if not any(word in line.lower() for word in (b"akiaold", b"old", b"aws_security"))]
    if "[default]" not in FILES[name]:  # a section that is new is set apart by an empty line
        lines, kept = [line for line in lines if line], [line for line in kept if line]
    assert [line for line in lines if line in kept] == kept


def test_a_section_that_an_older_version_doubled(run_sidecar: Callable[..., Run], emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    """botocore could not read it; now it can."""
    file = folder / "credentials"
    file.write_text(f"  [default]\n  aws_access_key_id = AKIAOLD\n  region = x\n\n[default]\n{KEYS}x_security_token_expires = 2026-01-01T00:00:00Z\n")
    assert run_sidecar("once", "--wait=0", f"--credentials-file={file}", env=injected).exit_code == 0
    assert profiles(file)["default"]["region"] == "x" and profiles(file)["default"]["aws_access_key_id"] == issued(emulator)[-1][0]
