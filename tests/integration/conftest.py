"""Fixtures of the integration tests.

Tests run in a network namespace that holds the agent's real addresses where the machine allows it (root and `ip netns`),
and on loopback otherwise; the last lines of the run say which. `@pytest.mark.place("loopback")` pins a test to
loopback (in-process clients such as botocore need that), and `@pytest.mark.parametrize("place", ["loopback", "netns"],
indirect=True)` runs it in both.

Tests run beside one another, each worker with its own emulators and namespaces. `@pytest.mark.alone` is for those that other
tests' load would make wrong.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness.both_agents import BOTH_IN, BOTH_NOT, OURS, BehindOurs
from harness.emulator import Emulator
from harness.leaks import Leaks
from harness.places import Namespace, Place, why_no_namespace
from harness.programs import Binaries, Run, Runner
from harness.sidecar import Sidecar, wanted_sandbox
from harness.token_files import ProjectedToken

TOKEN_FOLDER = "var/run/secrets/pods.eks.amazonaws.com/serviceaccount"


class Places:
    """The places of a session with their emulators, each made when it is first needed."""

    def __init__(self) -> None:
        self.no_namespace = why_no_namespace()
        self.emulators: dict[str, Emulator] = {}
        self.namespace: Namespace | None = None
        self.ours: Namespace | None = None

    def get(self, name: str) -> Place:
        """`loopback`, `netns`, `best`, which is netns where that is possible, or `ours`, a namespace whose agent is our own."""
        if name == "loopback" or (name == "best" and self.no_namespace):
            return Place()
        if self.no_namespace:
            pytest.skip(f"no network namespace: {self.no_namespace}")
        if name == OURS:
            if self.ours is None:
                self.ours = Namespace("-ours")
                self.emulators[self.ours.name] = BehindOurs(self.ours)
            return self.ours
        if self.namespace is None:
            self.namespace = Namespace()
        return self.namespace

    def emulator(self, place: Place) -> Emulator:
        """The emulator of a place, started if need be."""
        if place.name not in self.emulators:
            self.emulators[place.name] = Emulator(place)
        return self.emulators[place.name]

    @contextlib.contextmanager
    def without_agent(self, suffix: str) -> Iterator[Place]:
        """A namespace with the agent's addresses, and nobody at them; the emulator there has loopback addresses only."""
        self.get("netns")
        namespace = Namespace(suffix)
        try:
            self.emulators[namespace.name] = Emulator(namespace, as_agent=False)
            yield namespace
            complaints = self.emulators.pop(namespace.name).stop()
            assert not complaints, f"the emulator complained: {complaints}"
        finally:
            namespace.remove()

    def secrets(self) -> list[dict[str, str]]:
        """All that all emulators issued."""
        return [secret for emulator in self.emulators.values() for secret in emulator.secrets()]

    def close(self) -> str:
        """Ends all; returns what the emulators complained about."""
        complaints = "".join(emulator.stop() for emulator in self.emulators.values())
        for namespace in (self.namespace, self.ours):
            if namespace:
                namespace.remove()
        return complaints


PLACES = pytest.StashKey[Places]()


def pytest_configure(config: pytest.Config) -> None:
    # A shell in the background, nohup, or a launcher of its own kind has signals ignored or blocked, and a program that is started
    # would inherit that. One that is caught is at its default again in the program, and still does nothing here. Those that
    # Python itself ignores (SIGPIPE, SIGXFSZ) Popen puts back.
    for number in signal.valid_signals():
        if signal.getsignal(number) == signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    config.addinivalue_line("markers", "place(name): run in `loopback` or `netns` instead of the best place")
    config.addinivalue_line("markers", "emulators_agent: not with our agent in place of the emulator's (harness/both_agents.py)")
    config.addinivalue_line("markers", "alone: measures times or costs, so it runs when no other test does (tests/integration.sh)")
    config.stash[PLACES] = Places()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of init and sidecar run with both agents; harness/both_agents.py says which do not."""
    test, path = metafunc.definition, metafunc.definition.path
    if path.parent.name not in BOTH_IN or BOTH_NOT.search(path.name) or "emulator" not in metafunc.fixturenames:
        return
    has_place = any("place" in str(mark.args[0]) for mark in test.iter_markers("parametrize"))
    if not has_place and not any(test.get_closest_marker(name) for name in ("emulators_agent", "place", "alone")):
        metafunc.parametrize("place", ["best"] if metafunc.config.stash[PLACES].no_namespace else ["best", OURS], indirect=True)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    reason = config.stash[PLACES].no_namespace
    if reason:
        line = f"place: loopback only, not at the agent's real address: {reason}"
    else:
        line = "place: network namespace with the agent's real addresses 169.254.170.23 and fd00:ec2::23"
    terminalreporter.write_sep("-", line)
    terminalreporter.write_sep("-", f"sandbox of the sidecar: {wanted_sandbox()}")


@pytest.fixture(scope="session")
def places(request: pytest.FixtureRequest) -> Iterator[Places]:
    """All places; ends the emulators and removes the namespace in the end."""
    places = request.config.stash[PLACES]
    yield places
    complaints = places.close()
    assert not complaints, f"the emulator complained: {complaints}"


@pytest.fixture(autouse=True)
def leaks(places: Places) -> Iterator[Leaks]:
    """Fails a test during which any program printed a secret. First set up, so torn down last."""
    leaks = Leaks()
    yield leaks
    if not leaks.outputs:
        return
    found = leaks.find(places.secrets())
    assert not found, f"secrets were printed: {found}"


@pytest.fixture(scope="session")
def binaries() -> Iterator[Binaries]:
    """The programs under test; a copy that every user reaches, where theirs is a folder that is closed to others, as root's home is."""
    found = Binaries()
    missing = [path.name for path in (found.init, found.sidecar, found.get) if not path.exists()]
    if missing:
        pytest.fail(f"not built: {', '.join(missing)} in {found.folder}; run make, or set POD_IDENTITY_BUILD")
    if all(part.stat().st_mode & 0o001 for part in (found.folder, *found.folder.parents)):
        yield found
        return
    with tempfile.TemporaryDirectory(prefix="pi-programs-") as copy:
        os.chmod(copy, 0o755)
        for path in [*found.folder.glob("pod-identity-*"), *found.folder.glob("test/pod-identity-*")]:
            target = Path(copy) / path.relative_to(found.folder)
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)
        yield Binaries(Path(copy))


@pytest.fixture
def place(request: pytest.FixtureRequest, places: Places) -> Place:
    """Where this test runs."""
    marker = request.node.get_closest_marker("place")
    return places.get(getattr(request, "param", None) or (marker.args[0] if marker else "best"))


@pytest.fixture
def emulator(place: Place, places: Places, binaries: Binaries, leaks: Leaks) -> Iterator[Emulator]:
    """The emulator of this test's place, as after its start; in the place `ours`, our agent runs in front of it."""
    emulator = places.emulator(place)
    emulator.reset()
    if isinstance(emulator, BehindOurs):
        emulator.begin(binaries, leaks)
    yield emulator
    if isinstance(emulator, BehindOurs):
        emulator.end()


@pytest.fixture(scope="session")
def agent_netns(places: Places) -> Emulator:
    """The emulator at the agent's real addresses; skips, with the reason, where that cannot be."""
    return places.emulator(places.get("netns"))


@pytest.fixture
def bare_netns(places: Places) -> Iterator[Namespace]:
    """A namespace with loopback only: no way to the agent's addresses."""
    places.get("netns")
    namespace = Namespace("-bare", agent_addresses=False)
    yield namespace
    namespace.remove()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private folder with a short path (a Unix socket's has at most 107 bytes), which other users may enter."""
    path = Path(tempfile.mkdtemp(prefix="pi-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def write_token(folder: Path, leaks: Leaks) -> Callable[..., ProjectedToken]:
    """write_token(text) mounts a token as the kubelet does."""
    def write(text: str | bytes) -> ProjectedToken:
        return ProjectedToken(folder / TOKEN_FOLDER, text, on_write=lambda value: leaks.add_secret("service_account_token", value))
    return write


@pytest.fixture
def token(emulator: Emulator, write_token: Callable[..., ProjectedToken]) -> ProjectedToken:
    """A good token, mounted."""
    return write_token(emulator.token())


@pytest.fixture
def injected(emulator: Emulator, token: ProjectedToken) -> dict[str, str]:
    """What the webhook puts into the environment of a container, and nothing else."""
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": emulator.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)}


@pytest.fixture
def runner(place: Place, leaks: Leaks) -> Runner:
    """Runs any program in this test's place."""
    return Runner(place, leaks)


@pytest.fixture
def termination_log(folder: Path) -> Path:
    """As the kubelet makes it: empty, mode 0666."""
    path = folder / "termination-log"
    path.touch()
    path.chmod(0o666)
    return path


@pytest.fixture
def run_init(runner: Runner, binaries: Binaries, leaks: Leaks, termination_log: Path, request: pytest.FixtureRequest) -> Callable[..., Run]:
    """run_init(*options, env=None, text=False, termination_log=path, wait="0", uid=…, gid=…, groups=…) -> Run.

    env defaults to the injected one. The report is JSON unless text. wait=None leaves --wait to its default.
    """
    default_log = termination_log

    def run(*options: str, env: dict[str, str] | None = None, text: bool = False, wait: str | None = "0",
            termination_log: Path | None = default_log, **how: Any) -> Run:
        if env is None:
            env = request.getfixturevalue("injected")
        argv: list[str | Path] = [binaries.init]
        argv += [] if text else ["--format=json"]
        argv += [f"--termination-log={termination_log}"] if termination_log else []
        argv += [f"--wait={wait}"] if wait is not None else []
        done = runner.run([*argv, *options], env, **how)
        if termination_log and termination_log.is_file():
            done.termination_log = termination_log.read_text("utf-8", "surrogateescape")
            leaks.add_output("termination log", done.termination_log)
        return done
    return run


@pytest.fixture
def run_get(runner: Runner, binaries: Binaries) -> Callable[..., Run]:
    """run_get(*options, env={}) -> Run; its standard output may hold credentials."""
    def run(*options: str, env: dict[str, str] | None = None, **how: Any) -> Run:
        return runner.run([binaries.get, *options], env or {}, private_stdout=True, **how)
    return run


@pytest.fixture
def run_sidecar(runner: Runner, binaries: Binaries, request: pytest.FixtureRequest) -> Callable[..., Run]:
    """run_sidecar("once", …) -> Run: for the commands that end by themselves."""
    def run(*words: str, env: dict[str, str] | None = None, **how: Any) -> Run:
        return runner.run([binaries.sidecar, *words], request.getfixturevalue("injected") if env is None else env, **how)
    return run


@pytest.fixture
def start_sidecar(runner: Runner, binaries: Binaries, leaks: Leaks, request: pytest.FixtureRequest) -> Iterator[Callable[..., Sidecar]]:
    """start_sidecar(*options, env=None, ready=True, with_http=True, bearer=None, uid=…) -> Sidecar, stopped in the end."""
    started: list[Sidecar] = []
    folders: list[Path] = []

    def start(*options: str, env: dict[str, str] | None = None, extra_env: dict[str, str] | None = None,
              ready: bool = True, bearer: str | None = None, uid: int | None = None, **how: Any) -> Sidecar:
        if env is None:
            env = request.getfixturevalue("injected")
        folders.append(Path(tempfile.mkdtemp(prefix="pi-")))
        folders[-1].chmod(0o755)
        if uid is not None:
            os.chown(folders[-1], uid, how.get("gid", uid))
        if bearer:
            leaks.add_secret("bearer", bearer)
        one = Sidecar(runner, binaries, folders[-1], *options, env={**env, **(extra_env or {})}, bearer=bearer, uid=uid, **how)
        started.append(one)
        return one.wait_ready() if ready else one
    yield start
    for one in started:
        one.close()
    for path in folders:
        shutil.rmtree(path, ignore_errors=True)
