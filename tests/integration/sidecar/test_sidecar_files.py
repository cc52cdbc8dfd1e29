"""pod-identity-sidecar: the files it keeps fresh (rule 5)."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import stat
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness.both_agents import EMULATORS
from harness import http
from harness.emulator import Emulator
from harness.served import check_process_members, issued, profile_triple, read_profile, temporaries, triple
from harness.sidecar import Sidecar
from harness.waiting import eventually

Start = Callable[..., Sidecar]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount, and to be another user")
BEFORE = b"# kept by hand\n\n[alpha]\r\naws_access_key_id = AKIAALPHA\r\n\t; odd \xc3\xa4\xff\n"
AFTER = b"\n# for omega\n[omega]\nregion=eu-central-1\nnested =\n  a = b\n  [default]\nno newline at the end"


@pytest.fixture
def credentials(folder: Path) -> Path:
    return folder / "credentials"


@pytest.fixture
def process(folder: Path) -> Path:
    return folder / "process.json"


@pytest.fixture
def start(start_sidecar: Start, credentials: Path, process: Path) -> Start:
    """With both files."""
    def make(*options: str, **how: object) -> Sidecar:
        how.setdefault("with_http", False)
        return start_sidecar(f"--credentials-file={credentials}", f"--process-file={process}", *options, **how)
    return make


def refresh(sidecar: Sidecar, emulator: Emulator) -> None:
    """Forces one, and waits until there are new credentials to be handed out: the request alone comes before they are made."""
    count = len(issued(emulator))
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: len(issued(emulator)) > count, 10, "the agent has made new ones")


def id_in(path: Path) -> str:
    """Which credentials are in the file."""
    text = path.read_text("utf-8", "surrogateescape")
    return json.loads(text)["AccessKeyId"] if path.suffix == ".json" else read_profile(text)["aws_access_key_id"]


def test_both_files_follow_each_refresh(start: Start, emulator: Emulator, credentials: Path, process: Path) -> None:
    sidecar = start()
    for _ in range(2):
        eventually(lambda: id_in(process) == id_in(credentials) == issued(emulator)[-1][0], 5, "both files are new")
        assert profile_triple(credentials.read_text()) == triple(check_process_members(json.loads(process.read_text()))) == issued(emulator)[-1]
        assert stat.S_IMODE(credentials.stat().st_mode) == stat.S_IMODE(process.stat().st_mode) == 0o600
        refresh(sidecar, emulator)


@EMULATORS
def test_all_but_our_keys_stays_byte_for_byte(start: Start, emulator: Emulator, credentials: Path) -> None:
    """Other profiles, and in ours what is no credential."""
    kept = b"# a remark within\nx = y\n"
    credentials.write_bytes(BEFORE + b"[default]\naws_access_key_id = old\n" + kept + AFTER)
    sidecar = start()
    for _ in range(2):
        eventually(lambda: issued(emulator)[-1][0].encode() in credentials.read_bytes(), 5, "written")
        content = credentials.read_bytes()
        assert content.startswith(BEFORE + b"[default]\n") and content.endswith(kept + AFTER)
        assert b"old" not in content
        assert content.count(b"\n[default]\n") == 1
        refresh(sidecar, emulator)


def test_a_profile_is_added_at_the_end(start: Start, emulator: Emulator, credentials: Path) -> None:
    credentials.write_bytes(BEFORE)
    start("--profile=mine")
    content = credentials.read_bytes()
    assert content.startswith(BEFORE)
    assert profile_triple(content.decode("utf-8", "replace").replace("\r\n", "\n"), "mine") == issued(emulator)[-1]


@EMULATORS
def test_a_refresh_does_not_make_the_file_grow(start: Start, emulator: Emulator, credentials: Path) -> None:
    credentials.write_bytes(BEFORE + AFTER)
    sidecar = start("--profile=mine")
    lines = credentials.read_bytes().count(b"\n")
    for _ in range(2):
        refresh(sidecar, emulator)
        eventually(lambda: issued(emulator)[-1][0].encode() in credentials.read_bytes(), 5, "written")
        assert credentials.read_bytes().count(b"\n") == lines


def test_mode_holds_over_refreshes_and_umask(start: Start, emulator: Emulator, credentials: Path, process: Path) -> None:
    process.write_text("old")
    process.chmod(0o777)
    before = os.umask(0o077)
    try:
        start("--file-mode=0644")
    finally:
        os.umask(before)
    assert stat.S_IMODE(credentials.stat().st_mode) == stat.S_IMODE(process.stat().st_mode) == 0o644


@EMULATORS
def test_readers_see_only_whole_files(start: Start, emulator: Emulator, credentials: Path, process: Path) -> None:
    credentials.write_bytes(BEFORE + AFTER + b"\n" + b"# filler\n" * 20_000)
    emulator.settings(lifetime_s=2.5)
    start()
    over = threading.Event()
    wrong: list[BaseException] = []
    seen: set[tuple[str, str, str]] = set()

    def read_on() -> None:
        try:
            while not over.is_set():
                text = credentials.read_text("utf-8", "surrogateescape")
                seen.add(profile_triple(text))
                assert text.endswith("Z\n") and text.count("# filler") == 20_000
                seen.add(triple(check_process_members(json.loads(process.read_text()))))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            wrong.append(error)
    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        emulator.wait_for_requests(5, 15)
    finally:
        over.set()
        reader.join()
    assert not wrong, wrong
    assert len(seen) >= 3 and seen <= set(issued(emulator))
    eventually(lambda: temporaries(credentials.parent) == [], 10, "the last write is done")


# --- targets that cannot be written


def check_unwritable(sidecar: Sidecar, emulator: Emulator, path: Path, mend: Callable[[], object], shown: str) -> None:
    """Logged once, shown by readiness, no reason not to serve, tried again with the next refresh."""
    eventually(lambda: sidecar.get("/readyz").status == 503 and sidecar.get().status == 200, 10, "not ready, and serving")
    assert str(path) in sidecar.get("/readyz").body.decode() and shown in sidecar.get("/readyz").body.decode()
    refresh(sidecar, emulator)
    eventually(lambda: sidecar.get().json["AccessKeyId"] == issued(emulator)[-1][0], 5, "the second refresh")
    assert sidecar.stderr.count("cannot write a credentials file") == 1
    mend()
    refresh(sidecar, emulator)
    eventually(lambda: sidecar.get("/readyz").status == 200, 5, "ready again")
    assert id_in(path) == issued(emulator)[-1][0]
    assert "written again" in sidecar.stderr
    assert temporaries(path.parent) == []


@EMULATORS
def test_a_missing_directory(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    path = folder / "none" / "process.json"
    sidecar = start_sidecar(f"--process-file={path}", ready=False).wait_serving()
    check_unwritable(sidecar, emulator, path, path.parent.mkdir, "No such file")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
@EMULATORS
def test_a_directory_of_somebody_else(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    path = folder / "theirs" / "process.json"
    path.parent.mkdir()
    sidecar = start_sidecar(f"--process-file={path}", ready=False, uid=12345).wait_serving()
    check_unwritable(sidecar, emulator, path, lambda: os.chown(path.parent, 12345, 12345), "denied")


def test_one_bad_target_does_not_keep_the_other(start_sidecar: Start, emulator: Emulator, folder: Path, credentials: Path) -> None:
    for bad, good in ((f"--credentials-file={folder}/none/c", f"--process-file={folder}/good.json"),
                      (f"--process-file={folder}/none/p", f"--credentials-file={credentials}")):
        sidecar = start_sidecar(bad, good, ready=False, with_http=False).wait_serving()
        eventually(lambda: id_in(Path(good.partition("=")[2])) == sidecar.get().json["AccessKeyId"], 5, good)
        assert sidecar.get("/readyz").status == 503
        sidecar.stop()


@pytest.fixture
def tiny_disk(folder: Path) -> Iterator[Path]:
    """A file system of 32 KiB."""
    path = folder / "disk"
    path.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k,mode=0777", "none", str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no tmpfs: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=False)


@EMULATORS
def test_a_full_disk(start_sidecar: Start, emulator: Emulator, tiny_disk: Path) -> None:
    """What was good stays, and nothing half-written is left to fill it further."""
    path = tiny_disk / "process.json"
    sidecar = start_sidecar(f"--process-file={path}", with_http=False)
    before = path.read_bytes()
    filler = tiny_disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    refresh(sidecar, emulator)
    eventually(lambda: sidecar.get("/readyz").status == 503, 5, "not ready")
    assert path.read_bytes() == before and temporaries(tiny_disk) == []
    check_unwritable(sidecar, emulator, path, filler.unlink, "No space left")


def test_a_symbolic_link_is_replaced_not_followed(start: Start, emulator: Emulator, process: Path, folder: Path) -> None:
    other = folder / "other"
    other.write_text("kept")
    process.symlink_to(other)
    start()
    assert other.read_text() == "kept" and not process.is_symlink()
    assert id_in(process) == issued(emulator)[-1][0]


def test_files_of_others_beside_the_target_stay(start: Start, emulator: Emulator, folder: Path) -> None:
    names = [".process.json", ".process.json.swp", "process.json.pod-identity-ABCDEF", ".process.json.pod-identity-", ".other.pod-identity-ABCDEF",
             ".process.json.pod-identity-ABCDEFG"]
    for name in names:
        (folder / name).write_text("kept")
    left = folder / ".process.json.pod-identity-a1B2c3"
    left.write_text("half-writ")
    start()
    assert not left.exists(), "what a killed process left is removed"
    for name in names:
        assert (folder / name).read_text() == "kept"


@EMULATORS
def test_killed_sixty_times_at_any_moment(start: Start, emulator: Emulator, credentials: Path, process: Path, folder: Path) -> None:
    """Each start writes at once, so each kill comes somewhere around a write. The files are old or new, never torn."""
    filler = b"# filler\n" * 20_000
    credentials.write_bytes(BEFORE + AFTER + b"\n" + filler)
    sidecar = start()
    kept = {path: path.read_bytes() for path in (credentials, process)}
    changed = 0
    chance = random.Random(60)
    sidecar.kill()
    for _ in range(60):
        count = emulator.count()
        sidecar.restart()
        emulator.wait_for_requests(count + 1, 10)
        time.sleep(chance.uniform(0, 0.006))  # any moment will do
        sidecar.kill()
        for path in (credentials, process):
            changed += path.read_bytes() != kept[path]
            kept[path] = path.read_bytes()
        text = kept[credentials].decode("utf-8", "surrogateescape")
        made = set(issued(emulator))
        assert profile_triple(text) in made
        assert kept[credentials].startswith(BEFORE) and kept[credentials].count(filler) == 1
        assert triple(check_process_members(json.loads(kept[process]))) in made
    sidecar.restart().wait_ready()
    assert changed > 0, "no kill came after a write"
    assert temporaries(folder) == []
    assert id_in(process) == id_in(credentials)


def test_files_stay_at_the_end(start: Start, emulator: Emulator, credentials: Path, process: Path) -> None:
    sidecar = start()
    contents = credentials.read_bytes(), process.read_bytes()
    assert sidecar.stop() == 0
    assert (credentials.read_bytes(), process.read_bytes()) == contents
    assert not sidecar.socket_path.exists()


@EMULATORS
def test_files_stay_after_expiry(start: Start, emulator: Emulator, process: Path) -> None:
    """They say themselves when they end; an empty file would tell an app less."""
    emulator.settings(lifetime_s=2.0)
    sidecar = start()
    emulator.fault("answer", status=500, times=None)
    eventually(lambda: sidecar.get().status == 503, 6, "expired")
    check_process_members(json.loads(process.read_text()))


# --- a file that cannot be written is written later, by itself


@needs_root
@EMULATORS
def test_a_full_volume_with_room_again(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    """From memory, without a request upstream; said once; readiness shows it; the other file is not written again meanwhile; and who waits for a signal gets one."""
    volume, process = folder / "volume", folder / "process.json"
    volume.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", volume], check=True)
    try:
        credentials = volume / "credentials"
        sidecar = start_sidecar(f"--credentials-file={credentials}", f"--process-file={process}", "--metrics=127.0.0.1:0", with_http=False)
        old = id_in(credentials)
        (volume / "filler").write_bytes(b"x" * 56_000)
        with pytest.raises(OSError), open(volume / "rest", "wb", buffering=0) as rest:
            while True:
                rest.write(b"x" * 4096)
        refresh(sidecar, emulator)
        eventually(lambda: sidecar.get("/readyz").status == 503, 5, "not ready")
        assert str(credentials).encode() in sidecar.get("/readyz").body
        port = int(re.search(r" metrics=127\.0\.0\.1:(\d+)", sidecar.stderr)[1])  # type: ignore[index]
        with sidecar.runner.place.connect("127.0.0.1", port, 10) as connection:
            bare = http.parse_answer(http.exchange(connection, http.request_bytes("GET", "/readyz", {"Host": "x"}), 10))
        assert bare.status == 503 and bare.body == b"FILE_NOT_WRITTEN\n"
        served = sidecar.get().json["AccessKeyId"]
        assert id_in(credentials) == old and id_in(process) == served
        made, count = process.stat().st_ino, emulator.count()
        key = b'file_writes_total{result="failure"} '
        eventually(lambda: int(sidecar.get("/metrics").body.split(key)[1].split()[0]) >= 3, 10, "tried again and again")
        (volume / "filler").unlink()
        eventually(lambda: id_in(credentials) == served, 10, "written")
        eventually(lambda: sidecar.get("/readyz").status == 200, 2, "ready")
        assert process.stat().st_ino == made and emulator.count() == count
        assert sidecar.stderr.count("cannot write a credentials file") == 1 and "files are written again" in sidecar.stderr
    finally:
        subprocess.run(["umount", volume], check=True)


@EMULATORS
def test_a_folder_that_comes_later(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    process = folder / "later" / "process.json"
    sidecar = start_sidecar(f"--process-file={process}", with_http=False, ready=False).wait_serving()
    eventually(lambda: "cannot write" in sidecar.stderr, 10, "the failure")
    process.parent.mkdir()
    eventually(lambda: id_in(process) == sidecar.get().json["AccessKeyId"], 15, "written")
    eventually(lambda: sidecar.get("/readyz").status == 200, 5, "ready")
    assert emulator.count() == 1


@EMULATORS
def test_what_has_ended_is_not_written_any_more(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    emulator.settings(lifetime_s=3.0)
    process = folder / "later" / "process.json"
    sidecar = start_sidecar(f"--process-file={process}", with_http=False, ready=False).wait_serving()
    emulator.wait_for_requests(1)
    emulator.fault("answer", status=500, body="oops", times=None)
    eventually(lambda: b"expired" in sidecar.get().body, 10, "the end")
    process.parent.mkdir()
    time.sleep(5)  # two more attempts would be due
    assert not process.exists()


# --- what is merged is ours


@needs_root
def test_a_link_is_not_followed_into_what_is_merged(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    """A neighbour who may write to the volume has nothing read for him that he may not read himself."""
    volume, secret = folder / "volume", folder / "secret"
    volume.mkdir()
    volume.chmod(0o777)
    secret.write_text("[other]\nkey = MERGED-SECRET\n")
    secret.chmod(0o600)
    credentials = volume / "credentials"
    subprocess.run(["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups", "ln", "-s", str(secret), str(credentials)], check=True)
    sidecar = start_sidecar(f"--credentials-file={credentials}", "--file-mode=0644", with_http=False, ready=False).wait_serving()
    eventually(lambda: b"symbolic link" in sidecar.get("/readyz").body, 10, "the refusal")
    assert credentials.is_symlink() and secret.read_text() == "[other]\nkey = MERGED-SECRET\n"
    credentials.unlink()
    eventually(lambda: sidecar.get("/readyz").status == 200, 15, "it recovers by itself")
    assert "MERGED-SECRET" not in credentials.read_text()


@needs_root
def test_another_users_file_is_not_merged(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    credentials = folder / "credentials"
    credentials.write_text("[other]\nkey = theirs\n")
    os.chown(credentials, 4242, 4242)
    sidecar = start_sidecar(f"--credentials-file={credentials}", with_http=False, ready=False).wait_serving()
    eventually(lambda: b"another user" in sidecar.get("/readyz").body, 10, "the refusal")
    assert credentials.read_text() == "[other]\nkey = theirs\n"


def test_something_else_in_its_place(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    """A FIFO does not hold it up."""
    credentials = folder / "credentials"
    os.mkfifo(credentials)
    sidecar = start_sidecar(f"--credentials-file={credentials}", with_http=False, ready=False).wait_serving()
    eventually(lambda: str(credentials).encode() in sidecar.get("/readyz").body, 10, "the refusal")
    assert stat.S_ISFIFO(credentials.stat().st_mode) and sidecar.get().status == 200


def test_modes_that_let_everybody_read(start: Start, start_sidecar: Start) -> None:
    """Taken, as somebody may mean it, and said."""
    assert "every user may read" not in start().stderr
    told = [line for line in start("--file-mode=0644", "--socket-mode=0666").stderr.splitlines() if "every user may read" in line]
    assert len(told) == 2 and "option=--socket-mode mode=0666" in told[0] and "option=--file-mode mode=0644" in told[1]
    assert "every user may read" not in start_sidecar("--socket-mode=0666", "--allow-uid=0").stderr
