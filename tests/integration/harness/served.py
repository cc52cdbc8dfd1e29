"""What the sidecar serves: the shapes that every SDK accepts, and whose credentials they are."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .emulator import Emulator
from .http import Answer
from .programs import ROOT

LARGEST_BODY = 10_000  # the AWS CRT refuses more
WHOLE_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TEMPORARY_MARK = ".pod-identity-"


def limit(header: str, name: str) -> int:
    """A named limit of the sidecar, such as DOORS_PLACES in sidecar/doors.h."""
    found = re.search(rf"^#define {name} (\d+)\b", (ROOT / header).read_text(), re.MULTILINE)
    assert found, f"no {name} in {header}"
    return int(found.group(1))


def expires_at(text: str) -> float:
    """Seconds since the epoch of an Expiration; AssertionError unless it is in whole UTC seconds with Z."""
    assert WHOLE_SECONDS.fullmatch(text), text
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


def _texts(value: Any) -> list[str]:
    """All names and strings in a JSON value."""
    if isinstance(value, dict):
        return [text for name, member in value.items() for text in (name, *_texts(member))]
    if isinstance(value, list):
        return [text for member in value for text in _texts(member)]
    return [value] if isinstance(value, str) else []


def _check_json(answer: Answer) -> dict[str, Any]:
    assert answer.header("Content-Type") == "application/json", answer.headers
    assert answer.header("Content-Length") == str(len(answer.body)), answer.headers
    names = [name.lower() for name, _ in answer.headers]
    assert len(set(names)) == len(names), f"a header twice: {names}"
    assert not {"transfer-encoding", "content-encoding"} & set(names)
    assert len(answer.body) < LARGEST_BODY
    assert not any(text == "" for text in _texts(answer.json)), "an empty string"
    members = answer.json
    assert isinstance(members, dict)
    return members


def check_container(answer: Answer) -> dict[str, str]:
    """A 200 of /v1/credentials, exactly as DESIGN.md has it; returns its members."""
    assert answer.status == 200, answer.raw
    members = _check_json(answer)
    assert set(members) - {"AccountId"} == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert all(isinstance(value, str) and value for value in members.values())
    expires_at(members["Expiration"])
    return members


def check_process(answer: Answer) -> dict[str, Any]:
    """A 200 of /v1/credential-process; returns its members."""
    assert answer.status == 200, answer.raw
    return check_process_members(_check_json(answer))


def check_process_members(members: dict[str, Any]) -> dict[str, Any]:
    """The members of a credential_process answer, Version 1."""
    assert set(members) - {"AccountId"} == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert members["Version"] == 1 and isinstance(members["Version"], int)
    assert all(isinstance(value, str) and value for name, value in members.items() if name != "Version")
    expires_at(members["Expiration"])
    return members


def check_error(answer: Answer, status: int, code: str | None = None) -> str:
    """An error that every SDK can show; returns its message."""
    assert answer.status == status, answer.raw
    members = _check_json(answer)
    assert set(members) == {"code", "message", "Code", "Message"}
    assert members["code"] == members["Code"] and members["message"] == members["Message"]
    assert members["code"] and members["message"]
    if code:
        assert members["code"] == code, members
    return members["message"]


def issued(emulator: Emulator) -> list[tuple[str, str, str]]:
    """All temporary credentials that the emulator ever made, in order: access key id, secret access key, session token.
    Keys of a user have no session token, and are not among them."""
    sets: list[list[str]] = []
    for one in emulator.secrets():
        if one["kind"] == "access_key_id":
            sets.append([])
        if one["kind"] in ("access_key_id", "secret_access_key", "session_token"):
            sets[-1].append(one["value"])
    return [(made[0], made[1], made[2]) for made in sets if len(made) == 3]


def triple(members: dict[str, Any]) -> tuple[str, str, str]:
    """What belongs together in an answer of either form."""
    return members["AccessKeyId"], members["SecretAccessKey"], members.get("Token") or members["SessionToken"]


def read_profile(text: str, profile: str = "default") -> dict[str, str]:
    """The keys of one section of a shared credentials file, which must be there exactly once."""
    sections = re.split(r"^\[(.*)\]\n", text, flags=re.MULTILINE)
    names = [name.strip() for name in sections[1::2]]
    assert names.count(profile) == 1, names
    body = sections[2::2][names.index(profile)]
    lines = [line for line in body.split("\n") if line.strip() and not line.startswith(("#", ";"))]
    return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}


def profile_triple(text: str, profile: str = "default") -> tuple[str, str, str]:
    """What belongs together in a profile."""
    keys = read_profile(text, profile)
    assert {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"} <= set(keys), set(keys)
    return keys["aws_access_key_id"], keys["aws_secret_access_key"], keys["aws_session_token"]


def temporaries(folder: Path) -> list[str]:
    """Half-written files that were left in a folder."""
    return [path.name for path in folder.iterdir() if TEMPORARY_MARK in path.name]


def wait_past_second(moment: float) -> float:
    """Seconds until that wall-clock moment; 0 if it is over."""
    return max(0.0, moment - time.time())
