"""Roles per container: profiles of --config with a socket, a bearer and files of their own. What a neighbour who has one of them learns of the others."""

from __future__ import annotations

import copy
import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable
from urllib.parse import quote

import pytest

from harness import hog
from harness.aws import TARGET, Aws, needs_openssl, trust
from harness.both_agents import EMULATORS
from harness.emulator import ROLE_ARN, Emulator
from harness.http import Answer
from harness.programs import Run
from harness.served import check_container, read_profile
from harness.sidecar import Sidecar
from harness.waiting import eventually

pytestmark = pytest.mark.place("loopback")
Start, Once = Callable[..., Sidecar], Callable[..., Run]
EIGHT = 8
NAMES = [f"team-{letter}" for letter in "abcdefgh"]


def own(folder: Path, name: str, **more: Any) -> dict[str, Any]:
    """A profile whose socket, bearer and files are on volumes of its own: here, folders."""
    places = {key: folder / f"{name}-{key}" for key in ("run", "bearer", "files", "process")}
    for place in places.values():
        place.mkdir(exist_ok=True)
    return {"name": name, "unix-socket": f"{places['run']}/credentials.sock", "http-token-file": f"{places['bearer']}/http-token",
            "credentials-file": f"{places['files']}/credentials", "process-file": f"{places['process']}/process.json", **more}


def write(folder: Path, *profiles: dict[str, Any], **more: Any) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps({"profiles": list(profiles), **more}, indent=1))
    return f"--config={path}"


class Neighbour:
    """A container that has one profile: its socket, and its bearer."""

    def __init__(self, sidecar: Sidecar, profile: dict[str, Any]) -> None:
        self.name = profile["name"]
        self.at = copy.copy(sidecar)
        self.at.socket_path = Path(profile["unix-socket"])
        self.bearer = Path(profile["http-token-file"]).read_text()
        sidecar.runner.leaks.add_secret("bearer", self.bearer)

    def get(self, path: str, method: str = "GET", **headers: str | None) -> Answer:
        return self.at.get(path, method, **headers)

    def http(self, path: str, method: str = "GET", **headers: Any) -> Answer:
        return self.at.get_http(path, method, authorization=self.bearer, **headers)


def neighbours(sidecar: Sidecar, profiles: list[dict[str, Any]]) -> list[Neighbour]:
    return [Neighbour(sidecar, profile) for profile in profiles]


@needs_openssl
@EMULATORS
def test_eight_profiles_each_with_all_of_its_own(start_sidecar: Start, run_get: Once, emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    """As many as there may be, each with a socket, a bearer and two files, beside the sidecar's own four listeners, in the sandbox: nothing is left out."""
    emulator.role(TARGET, trust(ROLE_ARN))
    profiles = [own(folder, name, **{"assume-role": TARGET}) for name in NAMES[:EIGHT]]
    config = write(folder, *profiles)
    sidecar = start_sidecar(config, "--metrics=127.0.0.1:0", env={**injected, **Aws(emulator).sts()})
    apart = neighbours(sidecar, profiles)
    assert len({n.bearer for n in apart} | {sidecar.bearer}) == EIGHT + 1
    seen = []
    for n, profile in zip(apart, profiles):
        mine = check_container(n.get("/v1/credentials"))
        assert check_container(n.http("/v1/credentials")) == check_container(sidecar.get(f"/v1/credentials/{n.name}")) == mine
        assert json.loads(Path(profile["process-file"]).read_text())["AccessKeyId"] == mine["AccessKeyId"]
        assert read_profile(Path(profile["credentials-file"]).read_text(), n.name)["aws_access_key_id"] == mine["AccessKeyId"]
        assert json.loads(run_get(f"--unix-socket={profile['unix-socket']}").stdout)["AccessKeyId"] == mine["AccessKeyId"]
        assert stat.S_IMODE(os.stat(profile["unix-socket"]).st_mode) == 0o660
        assert stat.S_IMODE(os.stat(profile["http-token-file"]).st_mode) == 0o640
        assert not Path(profile["unix-socket"] + ".lock").exists()
        seen.append(mine["AccessKeyId"])
    assert len(set(seen)) == EIGHT
    assert sidecar.get("/v1/credentials").json["AccessKeyId"] == seen[0]
    for profile in profiles:  # within the sandbox, each is written again
        Path(profile["http-token-file"]).unlink()
        Path(profile["process-file"]).unlink()
    sidecar.send_signal(signal.SIGHUP)
    for n, profile in zip(apart, profiles):
        eventually(lambda path=profile["process-file"]: Path(path).exists(), 20, profile["process-file"])
        assert eventually(lambda path=profile["http-token-file"]: Path(path).exists() and Path(path).read_text(), 10, "the bearer") == n.bearer
    text = sidecar.get("/metrics").body.decode()
    for name in NAMES[:EIGHT]:
        assert re.search(rf'^pod_identity_requests_total{{listener="socket",profile="{name}",code="200"}} \d+$', text, re.M)
    assert not [line for line in sidecar.stderr.splitlines() if "level=error" in line or "cannot" in line]
    assert sidecar.stop() == 0
    for profile in profiles:
        assert not Path(profile["unix-socket"]).exists() and not Path(profile["http-token-file"]).exists()
        assert Path(profile["process-file"]).exists(), "credential files stay"


def ways(name: str) -> list[str]:
    """How a neighbour might name a profile that is not his."""
    escaped = "".join(f"%{ord(c):02x}" for c in name)
    return [name, quote(name, safe=""), escaped, escaped.upper(), f"{name}/", f"./{name}", f"../credentials/{name}", f"{name}%00", f"{name}?x=1",
            f"{name}#x", f"%2e%2e/{name}", name.upper(), f"//{name}", f"{name}%2f..%2f{name}"]


@needs_openssl
def test_what_a_neighbour_learns_of_others(start_sidecar: Start, emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    """By every route he has, another's profile is as one that was never there: the same bytes. None of its names and none of its keys."""
    emulator.role(TARGET, trust(ROLE_ARN))
    profiles = [{"name": "for-all"}, *(own(folder, name, **{"assume-role": TARGET}) for name in NAMES[:3])]
    sidecar = start_sidecar(write(folder, *profiles, imds="127.0.0.1:0"), env={**injected, **Aws(emulator).sts()})
    apart = neighbours(sidecar, profiles[1:])
    keys = {n.name: n.get("/v1/credentials").json["AccessKeyId"] for n in apart} | {"for-all": sidecar.get("/v1/credentials").json["AccessKeyId"]}
    for n in apart:
        others = [name for name in keys if name != n.name]
        everything = b""
        for ask, routes in ((n.get, ("/v1/credentials", "/v1/credential-process")), (n.http, ("/v1/credentials",))):
            for route in routes:
                for method in ("GET", "HEAD"):
                    for other in others:
                        for way, none in zip(ways(other), ways("nobody")):
                            answer = ask(f"{route}/{way}", method)
                            everything += answer.raw
                            assert answer.status in (400, 404) and answer.raw == ask(f"{route}/{none}", method).raw, (route, way)
                    exact = {ask(f"{route}/{name}", method).raw for name in [*others, "nobody", "team", "default"]}
                    assert len(exact) == 1, "the answer tells one name from another"
                    if method == "GET":
                        assert ask(route).json["AccessKeyId"] == ask(f"{route}/{n.name}").json["AccessKeyId"] == keys[n.name]
        for path in ("/metrics", "/readyz", "/healthz", "/", "/v1", "/v1/", "/latest/meta-data/iam/security-credentials/", "/latest/meta-data/iam/security-credentials/pod-identity",
                     f"/latest/meta-data/iam/security-credentials/{others[0]}", f"/metrics/{others[0]}", f"/readyz/{others[0]}", f"/metrics?profile={others[0]}"):
            everything += n.get(path).raw + n.http(path).raw + n.get(path, "HEAD").raw + n.get(path, "POST").raw
        for other in others:
            assert other.encode() not in everything, (n.name, other)
            assert keys[other].encode() not in everything
        assert f'credentials_valid{{profile="{n.name}"}} 1' in n.get("/metrics").body.decode()
        assert n.at.get_http(authorization=n.bearer[:-1]).status == n.at.get_http(authorization=f"{n.bearer}x").status == 401
        assert n.at.get_http(authorization=f"Bearer {n.bearer}").status == n.at.get_http(authorization=None).status == 401
    assert len({n.at.get_http(f"/v1/credentials/{name}", authorization="x" * 43).raw for n in apart for name in [*keys, "nobody"]}) == 1


@needs_openssl
def test_readiness_tells_of_ones_own(start_sidecar: Start, emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    """One fails: the sidecar's own socket says so, the other's does not, in no text and no number."""
    profiles = [own(folder, "fine"), own(folder, "broken", **{"assume-role": TARGET})]
    del profiles[1]["http-token-file"]
    emulator.role(TARGET, trust("arn:aws:iam::111122223333:role/someone"))
    sidecar = start_sidecar(write(folder, *profiles), env={**injected, **Aws(emulator).sts()}, ready=False).wait_serving()
    fine, broken = copy.copy(sidecar), copy.copy(sidecar)
    fine.socket_path, broken.socket_path = (Path(p["unix-socket"]) for p in profiles)
    eventually(lambda: fine.get("/readyz").status == 200 and b"ACCESS_DENIED" in broken.get("/readyz").body, 20, "one is ready, the other failed")
    assert sidecar.get("/readyz").status == 503 and fine.get("/readyz").body == b"ready\n"
    assert broken.get("/v1/credentials").status == 503 and fine.get("/v1/credentials").status == 200
    assert b"broken" not in fine.get("/metrics").raw and b"ACCESS_DENIED" not in fine.get("/metrics").raw
    assert b'credentials_valid{profile="broken"} 0' in broken.get("/metrics").body
    assert b"fine" not in broken.get("/metrics").body


def test_a_socket_of_one_profile_is_a_socket_like_any(start_sidecar: Start, injected: dict[str, str], folder: Path) -> None:
    """Stale ones are taken over, a living one is not; no lock stays, and a name in its place that is no socket is left alone."""
    profiles = [own(folder, "a"), own(folder, "b")]
    sidecar = start_sidecar(write(folder, *profiles))
    sidecar.kill()
    again = start_sidecar(write(folder, *profiles))
    assert again.get("/readyz").status == 200 and Neighbour(again, profiles[0]).get("/v1/credentials").status == 200
    third = start_sidecar(write(folder, *profiles), ready=False)
    assert third.wait() == 73 and f"--unix-socket={profiles[0]['unix-socket']}: another process answers on it" in third.stderr
    assert not third.socket_path.exists(), "it removes what it had opened"
    assert Neighbour(again, profiles[0]).get("/v1/credentials").status == 200, "and nothing of others"
    assert again.stop() == 0
    Path(profiles[1]["unix-socket"]).write_text("mine")
    fourth = start_sidecar(write(folder, *profiles), ready=False)
    assert fourth.wait() == 73 and "is not a socket" in fourth.stderr
    assert Path(profiles[1]["unix-socket"]).read_text() == "mine" and not Path(profiles[0]["unix-socket"]).exists()


@pytest.mark.parametrize("manner", ["idle", "part", "churn"])
def test_a_rude_neighbour_on_his_own_socket(start_sidecar: Start, injected: dict[str, str], folder: Path, manner: str) -> None:
    """More connections than there are places, on a socket that he may use: places and partial requests of the others are theirs."""
    profiles = [own(folder, name) for name in NAMES[:EIGHT]]
    sidecar = start_sidecar(write(folder, *profiles))
    others = neighbours(sidecar, profiles[1:])
    command = sidecar.runner.place.command([sys.executable, hog.__file__, manner, "1024", "4", str(os.geteuid()), "unix", profiles[0]["unix-socket"]])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as rude:
        asked = 0
        while rude.poll() is None or asked == 0:
            for other in others:
                assert other.get("/v1/credentials").status == other.http("/v1/credentials").status == sidecar.get("/readyz").status == 200
                asked += 1
        assert rude.returncode == 0 and rude.stdout is not None and int(rude.stdout.read()) >= 100, "it did what it was to do"
    assert Neighbour(sidecar, profiles[0]).get("/v1/credentials").status == 200


ASK = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[3]))
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.sendall(b"GET /v1/credentials HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
data = b""
while True:
    part = s.recv(65536)
    if not part: break
    data += part
print(data.split(b" ")[1].decode())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")
def test_users_of_one_profile(start_sidecar: Start, injected: dict[str, str], folder: Path) -> None:
    """Each list counts on its own socket alone; a profile without one has the sidecar's."""
    profiles = [own(folder, "a", **{"allow-uid": [1001]}), own(folder, "b", **{"allow-uid": [1002], "socket-group": 77}), own(folder, "c")]
    config = write(folder, *profiles, **{"socket-mode": "0666", "allow-uid": [1003]})
    start_sidecar(config)

    def ask(profile: dict[str, Any], uid: int, gid: int = 5) -> str:
        done = subprocess.run([sys.executable, "-c", ASK, profile["unix-socket"], str(gid), str(uid)], capture_output=True, text=True, check=True)
        return done.stdout.strip()
    allowed = {(p["name"], uid) for p in profiles for uid in (1001, 1002, 1003) if ask(p, uid) == "200"}
    assert allowed == {("a", 1001), ("b", 1002), ("c", 1003)}
    assert ask(profiles[1], 4000, 77) == "200" and ask(profiles[0], 4000, 77) == "403"
    assert os.stat(profiles[1]["http-token-file"]).st_gid == os.stat(profiles[1]["unix-socket"]).st_gid == 77


REFUSED = [
    ("two sockets in one directory", lambda f, a, b: (a, {**b, "unix-socket": f"{f}/a-run/other.sock"}), {}, r"unix-socket of a and unix-socket of b lie in one directory"),
    ("the same socket", lambda f, a, b: (a, {**b, "unix-socket": a["unix-socket"]}), {}, r"lie in one directory"),
    ("a bearer beside the other's socket", lambda f, a, b: (a, {**b, "http-token-file": f"{f}/a-run/token"}), {}, r"unix-socket of a and http-token-file of b"),
    ("a file beside the other's bearer", lambda f, a, b: (a, {**b, "process-file": f"{f}/a-bearer/p"}), {}, r"http-token-file of a and process-file of b"),
    ("one credentials file for both", lambda f, a, b: (a, {**b, "credentials-file": a["credentials-file"]}), {}, r"credentials-file of a and credentials-file of b"),
    ("a profile for all, whose file is there", lambda f, a, b: (a, {"name": "b", "process-file": f"{f}/a-process/p"}), {}, r"process-file of a and process-file of b"),
    ("by another name of the directory", lambda f, a, b: (a, {**b, "unix-socket": f"{f}/a-run/../a-run/./other.sock"}), {}, r"lie in one directory"),
    ("by a link", lambda f, a, b: (a, {**b, "unix-socket": f"{f}/link/other.sock"}), {}, r"lie in one directory"),
    ("beside the sidecar's own socket", lambda f, a, b: ({**a, "unix-socket": "SIDECAR/a.sock"}, b), {}, r"unix-socket of a and the sidecar's own unix-socket lie in one"),
    ("beside the sidecar's own bearer", lambda f, a, b: (a, b), {"http-token-file": "a-run/all"}, r"unix-socket of a and the sidecar's own http-token-file"),
    ("the same users", lambda f, a, b: ({**a, "allow-uid": [1000]}, {**b, "allow-uid": [1000]}), {}, r"of a let in nobody whom those of b keep out: they separate nothing, as both apps are the same user"),
    ("a subset of users", lambda f, a, b: ({**a, "allow-uid": [7, 8]}, {**b, "allow-uid": [8]}), {}, r"of b let in nobody whom those of a keep out"),
    ("the same group", lambda f, a, b: ({**a, "socket-group": 7}, {**b, "socket-group": 7}), {}, r"separate nothing"),
    ("a bearer without an endpoint", lambda f, a, b: (a, b), {"http": "off"}, r"http-token-file of a needs http"),
    ("users without a socket", lambda f, a, b: ({"name": "a", "allow-uid": [1]}, b), {}, r"allow-uid of a needs unix-socket"),
    ("a group for nothing", lambda f, a, b: ({"name": "a", "socket-group": 1}, b), {}, r"socket-group of a needs unix-socket or http-token-file"),
    ("IMDS gives it to all", lambda f, a, b: (a, b), {"imds": "127.0.0.1:0"}, r"--imds serves the first profile, a, to every process"),
    ("a relative path", lambda f, a, b: ({**a, "unix-socket": "a.sock"}, b), {}, r"line \d+: unix-socket: not an absolute file path"),
    ("a mistyped key", lambda f, a, b: ({**a, "unix-sockt": "/x"}, b), {}, r"unix-sockt: no key of a profile; did you mean unix-socket\?"),
    ("a key of the sidecar's", lambda f, a, b: ({**a, "socket-mode": "0600"}, b), {}, r"socket-mode: no key of a profile"),
]


@pytest.mark.parametrize("profiles, more, message", [pytest.param(*row[1:], id=row[0].replace(" ", "-")) for row in REFUSED])
def test_what_separates_nothing_is_refused(start_sidecar: Start, injected: dict[str, str], folder: Path, profiles: Any, more: dict[str, Any], message: str) -> None:
    (folder / "link").symlink_to(folder / "a-run")
    made = [{key: str(value).replace("SIDECAR", str(folder / "all")) if key == "unix-socket" else value for key, value in p.items()}
            for p in profiles(folder, own(folder, "a"), own(folder, "b"))]
    whole = {key: f"{folder}/{value}" if key.endswith("file") else value for key, value in more.items()}
    (folder / "all").mkdir()
    whole = {"http": "127.0.0.1:0", "unix-socket": f"{folder}/all/credentials.sock", **whole}
    sidecar = start_sidecar(write(folder, *made, **whole), ready=False, with_socket=False, with_http=False)
    assert sidecar.wait() == 64, sidecar.stderr
    assert re.search(message, sidecar.stderr), sidecar.stderr
    assert not list(folder.glob("*/*.sock"))


def test_only_sockets_of_profiles(start_sidecar: Start, run_sidecar: Once, injected: dict[str, str], folder: Path) -> None:
    """The sidecar's own socket and bearer are off: nobody sees them all. A probe asks on one of the others."""
    profiles = [own(folder, "a"), own(folder, "b")]
    config = write(folder, *profiles, **{"unix-socket": "off", "http": "127.0.0.1:0"})
    sidecar = start_sidecar(config, with_socket=False, with_http=False, ready=False)
    a = copy.copy(sidecar)
    a.socket_path = Path(profiles[0]["unix-socket"])
    eventually(lambda: a.process.poll() is None and a.socket_path.exists() and a.get("/readyz").status == 200, 10, "ready")
    assert run_sidecar("probe", f"--unix-socket={a.socket_path}", env={}).exit_code == 0
    assert a.get("/v1/credentials/b").status == 404
    assert not (sidecar.folder / "http-token").exists()
