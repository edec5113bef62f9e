"""A hub of models on loopback: as much of its HTTP interface as downloading a repository takes."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import huggingface_hub.constants
import pytest

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serving(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """While it lasts, `me/model` is a repository with this folder's files; gives that name.

    cache: where what is downloaded lies.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, folder))
    address = f"http://127.0.0.1:{server.server_port}"
    constants = huggingface_hub.constants
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    for name, value in (
        ("ENDPOINT", address),
        ("HUGGINGFACE_CO_URL_TEMPLATE", template),
        ("HF_HUB_CACHE", str(cache)),
    ):
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield "me/model"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, folder: Path, *args: Any) -> None:
        self._folder = folder
        super().__init__(*args)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/")
        api = "api/models/me/model"
        files = {
            file.relative_to(self._folder).as_posix(): file.read_bytes()
            for file in self._folder.rglob("*")
            if file.is_file()
        }
        if path.startswith("me/model/resolve/"):
            self._send(files.get(path.removeprefix(f"me/model/resolve/{_COMMIT}/")))
        elif path == f"{api}/tree/{_COMMIT}":
            entries = [
                {"type": "file", "path": name, "size": len(data), "oid": _digest(data)}
                for name, data in files.items()
            ]
            self._send(json.dumps(entries).encode())
        elif path in (api, f"{api}/revision/main", f"{api}/revision/{_COMMIT}"):
            siblings = [{"rfilename": name} for name in files]
            facts = {"id": "me/model", "sha": _COMMIT, "siblings": siblings}
            self._send(json.dumps(facts).encode())
        else:
            self._send(None)

    do_HEAD = do_GET

    def _send(self, data: bytes | None) -> None:
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.send_header("Content-Type", "application/json")
        if data is None:
            self.send_header("X-Error-Code", "RepoNotFound")
        else:
            self.send_header("ETag", f'"{_digest(data)}"')
            self.send_header("X-Repo-Commit", _COMMIT)
        self.end_headers()
        if self.command == "GET" and data is not None:
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def _digest(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
