"""What answers in the place of EKS Auth is somebody else."""

from __future__ import annotations

import socket
import threading
from typing import Callable

import pytest

from harness.our_agent import OurAgent
from harness.places import Place

Start = Callable[..., OurAgent]

NO_ERRORS = {
    "204": b"HTTP/1.1 204 No Content\r\n\r\n", "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "302": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
    "226": b"HTTP/1.1 226 Odd\r\nContent-Length: 0\r\n\r\n"}


@pytest.mark.parametrize("name", NO_ERRORS)
def test_a_status_of_a_stranger_that_is_no_error(start_agent: Start, node_place: Place, name: str) -> None:
    """What stands between says 204, or something else that is no error: a pod gets 500, since 204 and 304 can have no text. The log says
    what came, and what to do."""
    with node_place.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=answer_once, args=(listener, NO_ERRORS[name]))
        thread.start()
        agent = start_agent("--endpoint", f"http://127.0.0.1:{listener.getsockname()[1]}")
        answer = agent.ask(agent.emulator.token())
        thread.join(10)
    assert (answer.status, answer.body) == (500, b"[]\n")
    line = next(line for line in agent.log.splitlines() if "credentials could not be fetched" in line)
    assert f"answered {name}" in line and "Remedy: " in line


def answer_once(listener: socket.socket, answer: bytes) -> None:
    """Reads the head of a request, and says that."""
    connection, _ = listener.accept()
    with connection:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        connection.sendall(answer)
