"""One model-written program: fork, raise the walls, run it, collect what it printed.

Loaded by `sandbox_inner` inside the jail, standard library only. Every child raises the inner walls of `walls` before
its first line of model code: limits, Landlock, no capabilities, system call filter. It says so on a pipe of its own,
closed before the program starts: nothing that a program prints or returns can look like a failure of the sandbox.
"""

import contextlib
import ctypes
import fcntl
import gc
import io
import linecache
import os
import select
import signal
import sys
import time
import traceback
import types

EXIT_MEMORY, OUT_OF_MEMORY = 97, b"MemoryError"
WALLS_STAND = b"walls stand"
HUGE_PAGE, MADV_COLLAPSE = 1 << 21, 25
WATCH_SECONDS = 0.02
"""How often the number of files is looked at: tmpfs has no limit of its own here."""


class Launcher:
    """What forking a walled child needs, made before the first program."""

    def __init__(self, config: dict, walls):
        self.scratch, self.walls, self.rules = config["scratch"], walls, -1
        if config["landlock"] == "required" or (config["landlock"] == "if there" and walls.landlock_version() > 0):
            writable = [path for path in (self.scratch, "/dev/null") if path]
            self.rules = walls.landlock_rules(config["readable"], writable, config["listable"])
        self.has_filter = walls.has_seccomp() or config["seccomp"] == "required"
        if walls.has_seccomp():
            walls.system_call_filter(os.uname().machine, 1)  # children inherit the finished filter
        walls.forbid_new_privileges()
        walls.make_undumpable()
        walls.forget_capabilities()
        forget_ignored_signals()
        self.streams = open_streams()
        gc.collect()
        collapse_heap()
        gc.freeze()  # collections in children would copy every shared page

    def run(self, request: dict) -> dict:
        """Fork, run, collect. Returns status, stdout, stderr and seconds."""
        limits = request["limits"]
        stdin = sealed_file(request["stdin"]) if request["stdin"] else os.open("/dev/null", os.O_RDONLY)
        (out_read, out_write), (err_read, err_write), (up_read, up_write) = os.pipe(), os.pipe(), os.pipe()
        num_files = count_files(self.scratch)
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            self.be_child(request["program"], limits, [stdin, out_write, err_write, up_write])
        for descriptor in (stdin, out_write, err_write, up_write):
            os.close(descriptor)
        handle = os.pidfd_open(pid)
        output = {out_read: bytearray(), err_read: bytearray()}
        watch = (self.scratch, num_files + limits["num_files"]) if self.scratch else None
        stopped = collect(output, handle, started + limits["wall_seconds"], limits["output_bytes"], watch)
        for kill in (signal.pidfd_send_signal, lambda _, number: os.killpg(pid, number)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(handle, signal.SIGKILL)  # its process group too: without a filter it may have children
        _, wait_status, usage = os.wait4(pid, 0)
        said = os.read(up_read, 400)
        for descriptor in (out_read, err_read, up_read, handle):
            os.close(descriptor)
        stdout, stderr = (bytes(output[d][: limits["output_bytes"]]) for d in (out_read, err_read))
        code, used_cpu = os.waitstatus_to_exitcode(wait_status), usage.ru_utime + usage.ru_stime
        status = stopped or name_status(code, stderr, used_cpu >= limits["cpu_seconds"])
        if said != WALLS_STAND:
            status, stdout, stderr = "infra", b"", b"the walls could not be raised: " + said
        return {
            "status": status,
            "stdout": stdout.decode("utf-8", "replace"),
            "stderr": stderr.decode("utf-8", "replace"),
            "seconds": round(time.monotonic() - started, 4),
        }

    def be_child(self, program: str, limits: dict, descriptors: list[int]) -> None:
        """Raise the walls, say so, run the program, leave. Never returns. `descriptors` become 0, 1, 2 and 3."""
        leave, code = os._exit, 1  # the program may put something else into `os`
        try:
            for number, descriptor in enumerate([*descriptors, self.rules]):
                if descriptor >= 0:
                    os.dup2(descriptor, number)
            os.closerange(4 if self.rules < 0 else 5, 1 << 20)
            os.setsid()
            if self.scratch:
                os.chdir(self.scratch)
            self.walls.die_with_parent()
            self.walls.limit_resources(limits["memory_bytes"], limits["cpu_seconds"], limits["file_bytes"])
            if self.rules >= 0:
                self.walls.enter_landlock(4)
            if self.has_filter:
                self.walls.enter_seccomp()
            said = WALLS_STAND
        except BaseException as error:
            said = repr(error).encode()[:300]
        try:
            os.write(3, said)
            os.close(3)
            if said == WALLS_STAND:
                code = execute(program, self.streams)
        finally:
            leave(code)


def collapse_heap() -> None:
    """Put this process's own memory into huge pages, so that a fork copies one entry where it copied 512.

    The jail has no /proc to list the memory: it is where the objects are. Linux 6.1 or later; elsewhere, and for memory
    that the kernel leaves as it is, forks are as slow as before.
    """
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for number in {id(thing) // HUGE_PAGE for thing in gc.get_objects()}:
        advise(number * HUGE_PAGE, HUGE_PAGE, MADV_COLLAPSE)


def forget_ignored_signals() -> None:
    """A process inherits what its parent ignores (nohup, a shell's `&`); programs start as in a shell at rest."""
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # Python itself ignores these two
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def sealed_file(text: str) -> int:
    """A descriptor to read `text` from; it has no name, and nobody can write to it."""
    descriptor = os.memfd_create("stdin", os.MFD_ALLOW_SEALING)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(text.encode("utf-8", "replace"))
    os.lseek(descriptor, 0, os.SEEK_SET)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def count_files(folder: str) -> int:
    """Files and folders on the file system of `folder`."""
    if not folder:
        return 0
    state = os.statvfs(folder)
    return state.f_files - state.f_ffree


def name_status(code: int, stderr: bytes, is_out_of_cpu: bool) -> str:
    if code == 0:
        return "ok"
    if code == EXIT_MEMORY and stderr.rstrip().endswith(OUT_OF_MEMORY):
        return "memory"
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and is_out_of_cpu):
        return "timeout"
    return "error" if code > 0 else "killed"


def collect(
    output: dict[int, bytearray], handle: int, deadline: float, output_bytes: int, watch: tuple[str, int] | None
) -> str:
    """Read both pipes until the child has ended. Returns why it must be killed, "" when it ended by itself.

    `watch`: a folder, and how many files its file system may hold.
    """
    live = set(output)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return "timeout"
        ready, _, _ = select.select([*live, handle], [], [], min(left, WATCH_SECONDS) if watch else left)
        for descriptor in live.intersection(ready):
            data = os.read(descriptor, 65536)
            output[descriptor] += data
            if not data:
                live.discard(descriptor)
        if sum(map(len, output.values())) > output_bytes:
            return "output_limit"
        if handle in ready and not live.intersection(ready):
            return ""
        if watch and count_files(watch[0]) > watch[1]:
            return "file_limit"


def open_streams() -> list[io.TextIOWrapper]:
    """Standard input, output and error of the programs to come, made once: a child exchanges the descriptors below."""
    modes = enumerate(("r", "w", "w"))
    return [os.fdopen(n, mode, encoding="utf-8", errors="replace", closefd=False) for n, mode in modes]


def execute(program: str, streams: list[io.TextIOWrapper]) -> int:
    """Run the program as `__main__` and return its exit status."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sys.stdin, sys.stdout, sys.stderr = streams
    sys.setrecursionlimit(3000)
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    code = 0
    try:
        exec(compile(program, "<program>", "exec"), main.__dict__)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if not isinstance(leaving.code, int | None):
            print(leaving.code, file=sys.stderr)
    except BaseException as error:
        code = EXIT_MEMORY if isinstance(error, MemoryError) else 1
        report(error, program)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
    return code & 0xFF


def report(error: BaseException, program: str) -> None:
    """Print the traceback as Python would, with the program's own lines and without ours."""
    if isinstance(error, MemoryError):
        os.write(2, OUT_OF_MEMORY + b"\n")
        return
    with contextlib.suppress(BaseException):
        linecache.cache["<program>"] = (len(program), None, program.splitlines(keepends=True), "<program>")
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        traceback.print_exception(type(error), error, trace, file=sys.stderr)
