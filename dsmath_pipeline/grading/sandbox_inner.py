"""The two fork servers inside the jail.

Started by `sandbox` as a plain script (never imported by the library), standard library only. The first server takes
the requests and runs programs that use the standard library alone; it is small, so a fork costs little. The second has
imported numpy and sympy and runs the programs that name them. Both fork one walled child for each program
(`sandbox_program`). Requests and replies are JSON behind a 4-byte length on the descriptors the script was started
with; a child never holds them.
"""

import fcntl
import importlib.util
import json
import os
import re
import shutil
import struct
import sys
import traceback

PACKAGE_NAME = re.compile("numpy|sympy|mpmath")
STANDARD = "math cmath fractions decimal itertools functools collections random statistics datetime string heapq bisect"
WARM_UP = "from sympy import *\nx = Symbol('x')\nsolve(x**2 - x - 1, x)\nintegrate(sin(x), x)\nsimplify(x + x)"
MAX_WIPED = 5000
"""A scratch folder with more entries than this is not emptied: the jail is replaced."""


def serve(config: dict) -> None:
    """Answer requests until the parent closes the pipe, or the second server is gone."""
    requests, replies = take_pipes()
    sys.argv[:] = [""]
    sys.orig_argv[:] = [""]
    sys.meta_path.insert(0, Packages(config["packages"]))
    for module in STANDARD.split():
        importlib.import_module(module)
    to_second, from_second = start_second(config, requests, replies)
    launcher = make_launcher(config)
    if receive(from_second) is None:
        return
    send(replies, {"ready": True})
    while (request := receive(requests)) is not None:
        if PACKAGE_NAME.search(request["program"]):
            send(to_second, request)
            reply = receive(from_second)
            if reply is None:
                return
        else:
            reply = launcher.run(request)
        reply["is_clean"] = not config["scratch"] or wipe(config["scratch"])
        send(replies, reply)


def start_second(config: dict, requests, replies) -> tuple:
    """Fork the server that imports the packages. Returns the files to write its requests to and to read its replies."""
    (request_read, request_write), (reply_read, reply_write) = os.pipe(), os.pipe()
    if os.fork() == 0:
        for descriptor in (requests.fileno(), replies.fileno(), request_write, reply_read):
            os.close(descriptor)
        be_second(config, os.fdopen(request_read, "rb"), os.fdopen(reply_write, "wb"))
    os.close(request_read)
    os.close(reply_write)
    return os.fdopen(request_write, "wb"), os.fdopen(reply_read, "rb")


def be_second(config: dict, requests, replies) -> None:
    """Import the packages and answer requests. Never returns."""
    try:
        for module in config["packages"]:
            importlib.import_module(module)
        exec(WARM_UP, {})
        os.register_at_fork(after_in_child=importlib.import_module("numpy.random").seed)  # as a fresh process has
        launcher = make_launcher(config)
        send(replies, {"ready": True})
        while (request := receive(requests)) is not None:
            send(replies, launcher.run(request))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def take_pipes():
    """Move the pipes out of the way of the low descriptors, which are filled: a child puts its own there."""
    requests, replies = (fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 10) for number in (0, 1))
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)  # whatever a library prints must not look like a reply
    for number in range(3, 10):
        os.dup2(null, number)
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")


def make_launcher(config: dict):
    walls = load(config["walls"])
    return load(config["program"]).Launcher(config, walls)


def wipe(scratch: str) -> bool:
    """Empty the scratch folder; False (the jail is then replaced) when that is not plainly possible."""
    try:
        names = os.listdir(scratch)
        if len(names) > MAX_WIPED:
            return False
        for name in names:
            path = os.path.join(scratch, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        return not os.listdir(scratch)
    except (OSError, RecursionError):
        return False


def send(replies, value: dict) -> None:
    data = json.dumps(value).encode()
    replies.write(struct.pack(">I", len(data)) + data)
    replies.flush()


def receive(requests) -> dict | None:
    """One message, None at the end of the stream."""
    head = requests.read(4)
    return json.loads(requests.read(struct.unpack(">I", head)[0])) if len(head) == 4 else None


class Packages:
    """Finds the packages that programs may use by their folders; nothing else beside them can be imported."""

    def __init__(self, folders: dict[str, str]):
        self.folders = folders

    def find_spec(self, name: str, path=None, target=None):
        folder = self.folders.get(name)
        if folder is None:
            return None
        return importlib.util.spec_from_file_location(
            name, f"{folder}/__init__.py", submodule_search_locations=[folder]
        )


def load(path: str):
    """A module by its file: the folder must not enter sys.path, where `numbers` would hide the standard library's."""
    spec = importlib.util.spec_from_file_location(os.path.basename(path).removesuffix(".py"), path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
