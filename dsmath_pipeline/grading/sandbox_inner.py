"""The fork server inside the jail: imports numpy and sympy once, then forks one walled child for each program.

Started by `sandbox` as a plain script (never imported by the library), standard library only. Requests and replies
are JSON behind a 4-byte length on the descriptors it was started with; a child never holds them. Every child raises
the inner walls of `walls` before its first line of model code: limits, Landlock, no capabilities, system call filter.
"""

import contextlib
import gc
import importlib.util
import json
import os
import select
import shutil
import signal
import struct
import sys
import time
import traceback

EXIT_MEMORY, EXIT_WALLS = 97, 96
WALLS_FAILED = b"WALLS FAILED: "
WARM_UP = "from sympy import *\nx = Symbol('x')\nsolve(x**2 - x - 1, x)\nintegrate(sin(x), x)\nsimplify(x + x)"


def serve(config: dict, walls) -> None:
    """Answer requests until the parent closes the pipe."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    for module in config["preload"]:
        importlib.import_module(module)
    if "sympy" in config["preload"]:
        exec(WARM_UP, {})
    rules = -1
    if config["require_landlock"] or walls.landlock_version() > 0:
        rules = walls.landlock_rules(config["readable"], [p for p in (config["scratch"], "/dev/null") if p])
    walls.forbid_new_privileges()
    gc.collect()
    gc.freeze()  # collections in children would copy every shared page
    send(replies, {"ready": True})
    while True:
        head = requests.read(4)
        if len(head) < 4:
            return
        request = json.loads(requests.read(struct.unpack(">I", head)[0]))
        reply = run_program(request["program"], request["limits"], rules, config["scratch"], walls)
        reply["is_clean"] = not config["scratch"] or wipe(config["scratch"])
        send(replies, reply)


def send(replies, value: dict) -> None:
    data = json.dumps(value).encode()
    replies.write(struct.pack(">I", len(data)) + data)
    replies.flush()


def run_program(program: str, limits: dict, rules: int, scratch: str, walls) -> dict:
    """Fork, run, collect. Returns status, stdout, stderr and seconds."""
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        be_child(program, limits, rules, scratch, walls, out_write, err_write)
    os.close(out_write)
    os.close(err_write)
    handle = os.pidfd_open(pid)
    output = {out_read: bytearray(), err_read: bytearray()}
    stopped = collect(output, handle, started + limits["wall_seconds"], limits["output_bytes"])
    if stopped:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    _, wait_status, usage = os.wait4(pid, 0)
    for descriptor in (out_read, err_read, handle):
        os.close(descriptor)
    stdout, stderr = (bytes(output[d][: limits["output_bytes"]]) for d in (out_read, err_read))
    used_cpu = usage.ru_utime + usage.ru_stime
    status = stopped or name_status(os.waitstatus_to_exitcode(wait_status), stderr, used_cpu >= limits["cpu_seconds"])
    return {
        "status": status,
        "stdout": stdout.decode("utf-8", "replace"),
        "stderr": stderr.decode("utf-8", "replace"),
        "seconds": round(time.monotonic() - started, 4),
    }


def name_status(code: int, stderr: bytes, is_out_of_cpu: bool) -> str:
    if code == EXIT_WALLS and stderr.startswith(WALLS_FAILED):
        return "infra"
    if code == 0:
        return "ok"
    if code == EXIT_MEMORY:
        return "memory"
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and is_out_of_cpu):
        return "timeout"
    return "error" if code > 0 else "killed"


def collect(output: dict[int, bytearray], handle: int, deadline: float, output_bytes: int) -> str:
    """Read both pipes until the child has ended. Returns why it must be killed, "" when it ended by itself."""
    live = set(output)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return "timeout"
        ready, _, _ = select.select([*live, handle], [], [], left)
        for descriptor in live.intersection(ready):
            data = os.read(descriptor, 65536)
            output[descriptor] += data
            if not data:
                live.discard(descriptor)
        if sum(map(len, output.values())) > output_bytes:
            return "output_limit"
        if handle in ready and not live.intersection(ready):
            return ""


def be_child(program: str, limits: dict, rules: int, scratch: str, walls, stdout: int, stderr: int) -> None:
    """Raise the walls, run the program, leave. Never returns."""
    try:
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        if rules >= 0 and rules != 3:
            os.dup2(rules, 3)
        os.closerange(3 if rules < 0 else 4, 4096)
        os.setsid()
        if scratch:
            os.chdir(scratch)
        walls.die_with_parent()
        walls.make_undumpable()
        walls.forbid_new_privileges()
        walls.limit_resources(limits["memory_bytes"], limits["cpu_seconds"], limits["file_bytes"])
        if rules >= 0:
            walls.enter_landlock(3)
        walls.forget_capabilities()
        walls.enter_seccomp()
    except BaseException as error:
        os.write(2, WALLS_FAILED + repr(error).encode()[:400])
        os._exit(EXIT_WALLS)
    os._exit(execute(program))


def execute(program: str) -> int:
    """Run the program as `__main__` and return its exit status."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sys.stdin = os.fdopen(0)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="replace")
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="replace")
    sys.setrecursionlimit(3000)
    code = 0
    try:
        exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except MemoryError:
        code = EXIT_MEMORY
    except BaseException as error:
        code = 1
        with contextlib.suppress(BaseException):
            trace = error.__traceback__.tb_next if error.__traceback__ else None
            traceback.print_exception(type(error), error, trace, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
    return code & 0xFF


def wipe(scratch: str) -> bool:
    """Empty the scratch folder; False (the jail is then replaced) when that is not plainly possible."""
    try:
        names = os.listdir(scratch)
        if len(names) > 200:
            return False
        for name in names:
            path = os.path.join(scratch, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        return not os.listdir(scratch)
    except OSError:
        return False


def load_walls(path: str):
    """The module `walls` by its file: its folder must not enter sys.path, where `numbers` would hide the library's."""
    spec = importlib.util.spec_from_file_location("walls", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    serve(settings, load_walls(settings["walls"]))
