"""pod-identity-sidecar serve --imds: the look-alike of the instance metadata service, version 2."""

from __future__ import annotations

import os
import signal
import socket
from typing import Callable

import pytest

from harness import http
from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.http import Answer
from harness.served import check_container, check_error, expires_at, triple
from harness.sidecar import Sidecar
from harness.waiting import eventually

Start = Callable[..., Sidecar]
ETH_P_IP = 0x0800
TOKEN_PATH = "/latest/api/token"
ROLES_PATH = "/latest/meta-data/iam/security-credentials"
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"


class Imds:
    """A sidecar's metadata service, asked as SDKs do."""

    def __init__(self, start: Start, *options: str, **how: object) -> None:
        self.host = "127.0.0.1"
        self.sidecar = start("--imds=127.0.0.1:0", *options, **how)
        line = eventually(lambda: next((x for x in self.sidecar.stderr.splitlines() if " imds=" in x), None), 10, "serving is logged")
        self.port = int(line.split(" imds=127.0.0.1:")[1].split()[0])

    def ask(self, method: str, path: str, host: str | None = "", **headers: str | None) -> Answer:
        """One request, with the right Host unless told otherwise."""
        wanted = {"Host": f"{self.host}:{self.port}" if host == "" else host,
                  **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection = self.sidecar.runner.place.connect(self.host, self.port, 10)
        return http.parse_answer(http.exchange(connection, http.request_bytes(method, path, wanted), 10))

    def token(self, ttl_s: int = 60) -> str:
        """A new session token."""
        answer = self.ask("PUT", TOKEN_PATH, **{TTL: str(ttl_s)})
        assert answer.status == 200 and answer.header(TTL) == str(ttl_s), answer.raw
        assert answer.header("Content-Type", ).startswith("text/plain")
        token = answer.body.decode()
        self.sidecar.runner.leaks.add_secret("IMDS token", token)
        return token

    def get(self, path: str, token: str) -> Answer:
        """With a token."""
        return self.ask("GET", path, **{TOKEN: token})


@pytest.mark.parametrize("place", ["loopback", "netns"], indirect=True)
@EMULATORS
def test_the_three_steps(start_sidecar: Start, emulator: Emulator) -> None:
    imds = Imds(start_sidecar)
    token = imds.token()
    roles = imds.get(ROLES_PATH + "/", token)
    assert roles.status == 200 and roles.body == b"pod-identity"
    answer = imds.get(f"{ROLES_PATH}/{roles.body.decode()}", token)
    assert answer.status == 200 and answer.header("Content-Type") == "application/json"
    members = answer.json
    assert set(members) - {"AccountId"} == {"Code", "LastUpdated", "Type", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert members["Code"] == "Success" and members["Type"] == "AWS-HMAC"
    assert expires_at(members["LastUpdated"]) < expires_at(members["Expiration"])
    assert triple(members) == triple(check_container(imds.sidecar.get()))
    assert emulator.count() == 1


def test_version_1_is_refused(start_sidecar: Start, emulator: Emulator) -> None:
    imds = Imds(start_sidecar)
    for path in (ROLES_PATH, ROLES_PATH + "/", ROLES_PATH + "/pod-identity", "/latest/meta-data/"):
        assert TOKEN in check_error(imds.ask("GET", path), 401)
    for wrong in ("", "x", "A" * 54, imds.token()[:-1], imds.token() + "A", imds.token().swapcase()):
        check_error(imds.get(ROLES_PATH, wrong), 401)


@pytest.mark.parametrize("ttl", [None, "", "0", "-1", "21601", "1e3", "99999999999", "60s"])
def test_a_token_needs_a_lifetime(start_sidecar: Start, emulator: Emulator, ttl: str | None) -> None:
    imds = Imds(start_sidecar)
    assert "21600" in check_error(imds.ask("PUT", TOKEN_PATH, **{TTL: ttl}), 400)


def test_a_token_ends(start_sidecar: Start, emulator: Emulator) -> None:
    imds = Imds(start_sidecar)
    short, long = imds.token(1), imds.token(21600)
    eventually(lambda: imds.get(ROLES_PATH, short).status == 401, 10, "the token of one second has ended")
    assert imds.get(ROLES_PATH, long).status == 200


def test_no_token_through_a_proxy_nor_for_another_host(start_sidecar: Start, emulator: Emulator) -> None:
    imds = Imds(start_sidecar)
    check_error(imds.ask("PUT", TOKEN_PATH, **{TTL: "60", "X-Forwarded-For": "10.0.0.1"}), 403)
    check_error(imds.ask("PUT", TOKEN_PATH, host="evil.example", **{TTL: "60"}), 403)
    assert imds.ask("PUT", TOKEN_PATH, host="127.0.0.1", **{TTL: "60"}).status == 200, "the AWS CRT sends no port"


def hops(port: int, exchange: Callable[[], Answer]) -> set[int]:
    """The hop limits of the packets that come from a port of this machine's loopback during an exchange."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP)) as tap:
        tap.bind(("lo", ETH_P_IP))
        tap.settimeout(10)
        assert exchange().status == 200
        found: set[int] = set()
        while True:
            packet = tap.recv(65536)
            header = (packet[0] & 15) * 4
            if packet[9] != socket.IPPROTO_TCP or int.from_bytes(packet[header:header + 2], "big") != port:
                continue
            found.add(packet[8])
            if packet[header + 13] & 1:  # FIN: the last one
                return found


@pytest.mark.place("loopback")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to look at packets")
def test_answers_go_one_hop(start_sidecar: Start, emulator: Emulator) -> None:
    """As those of the real service: a router on the way, of whatever kind, drops them. Metrics may go further."""
    port = emulator.place.free_port()
    imds = Imds(start_sidecar, f"--metrics=127.0.0.1:{port}")
    assert hops(imds.port, lambda: imds.ask("PUT", TOKEN_PATH, **{TTL: "60"})) == {1}
    assert hops(imds.sidecar.port or 0, imds.sidecar.get_http) == {1}
    get = http.request_bytes("GET", "/healthz", {})
    assert min(hops(port, lambda: http.parse_answer(http.exchange(emulator.place.connect("127.0.0.1", port), get)))) > 1


def test_other_methods_and_paths(start_sidecar: Start, emulator: Emulator) -> None:
    imds = Imds(start_sidecar)
    token = imds.token()
    answer = imds.ask("GET", TOKEN_PATH, **{TTL: "60"})
    check_error(answer, 405)
    assert answer.header("Allow") == "PUT"
    for method in ("PUT", "POST", "DELETE"):
        check_error(imds.ask(method, ROLES_PATH, **{TOKEN: token}), 405)
    for path in ("/", "/latest/meta-data/placement/region", "/latest/dynamic/instance-identity/document",
                 "/latest/meta-data/iam/security-credentials-extended/", "/v1/credentials", "/metrics",
                 ROLES_PATH + "/another"):
        check_error(imds.get(path, token), 404)
    assert imds.ask("HEAD", ROLES_PATH, **{TOKEN: token}).body == b""


@EMULATORS
def test_tokens_outlive_a_refresh_and_end_with_the_process(start_sidecar: Start, emulator: Emulator) -> None:
    imds = Imds(start_sidecar)
    token = imds.token()
    before = imds.get(ROLES_PATH + "/pod-identity", token).json
    imds.sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(2, 5)
    eventually(lambda: imds.get(ROLES_PATH + "/pod-identity", token).json["AccessKeyId"] != before["AccessKeyId"], 10, "the new ones")
    imds.sidecar.stop()
    again = Imds(start_sidecar)
    check_error(again.get(ROLES_PATH, token), 401)


@EMULATORS
def test_nothing_to_serve(start_sidecar: Start, emulator: Emulator) -> None:
    """There is no role then, as on a node without one; whoever asks for its credentials all the same is told what is wrong."""
    emulator.fault("answer", status=503, body="busy", times=None)
    imds = Imds(start_sidecar, ready=False)
    imds.sidecar.wait_serving()
    token = imds.token()
    check_error(imds.get(ROLES_PATH, token), 404)
    eventually(lambda: "THROTTLED" in imds.get(ROLES_PATH + "/pod-identity", token).json["code"], 10, "the reason is served")
    check_error(imds.get(ROLES_PATH + "/pod-identity", token), 503, "THROTTLED")
    emulator.clear_faults()
    imds.sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: imds.get("/" + ROLES_PATH, token).status == 200, 20, "the role, with a doubled slash as some SDKs ask")


@pytest.mark.parametrize(("options", "warned"), [
    (("--session-duration=39m",), True), (("--session-duration=40m",), False), ((), False)])
def test_short_sessions(start_sidecar: Start, injected: dict[str, str], options: tuple[str, ...], warned: bool) -> None:
    """botocore would use them after their end."""
    env = {**injected, "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL_STS": "https://127.0.0.1:1"}
    sidecar = start_sidecar("--imds=127.0.0.1:0", "--assume-role=arn:aws:iam::444455556666:role/x", *options, env=env, ready=False).wait_serving()
    assert ("too short for --imds" in sidecar.stderr) == warned, sidecar.stderr


def test_off_unless_asked_for(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    check_error(sidecar.get(TOKEN_PATH), 404)
    check_error(sidecar.get(TOKEN_PATH, method="PUT", **{TTL: "60"}), 405)
    assert " imds=" not in sidecar.stderr or 'imds=""' in sidecar.stderr


def test_only_on_loopback(run_sidecar: Callable[..., object], emulator: Emulator) -> None:
    for address in ("0.0.0.0:80", "169.254.169.254:80", "[::]:80", "localhost:80", "127.0.0.1", ":80"):
        run = run_sidecar("serve", f"--imds={address}")
        assert run.exit_code == 64 and "--imds" in run.stderr and "loopback" in run.stderr
