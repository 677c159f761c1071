"""Kernel walls around code that nobody trusts: resource limits, Landlock (files), seccomp (system calls).

Standard library only and no import of this project: `sandbox_inner` loads this file inside the jail, `verify_worker`
after its imports. Linux on x86_64 and aarch64. What a wall cannot do here raises WallError, and the caller refuses.

Not in the paper: its evaluation runs model-written programs unprotected.
"""

import ctypes
import errno
import functools
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable


class WallError(RuntimeError):
    """A wall cannot be raised on this machine; the message says which and why."""


_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_GET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 21, 24, 38
_CAPABILITY_VERSION = 0x20080522

# ---- Landlock: which files a process may touch
_LANDLOCK_CREATE, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT = 444, 445, 446  # same numbers on both machines
_READ, _LIST, _WRITE, _TRUNCATE = 1 << 2, 1 << 3, 1 << 1, 1 << 14
_CHANGE_FOLDER = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8  # remove folder, remove file, make folder, make file
_NUM_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # rights known to a Landlock version; 16 from version 5


def landlock_version() -> int:
    """Landlock's version in this kernel, 0 when it is absent or switched off."""
    version = _LIBC.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(0, version)


def landlock_rules(readable: Iterable[str], writable: Iterable[str], listable: Iterable[str] = ()) -> int:
    """A descriptor of a rule set that allows reading and writing below these paths and nothing else.

    Below `listable` the names in folders may be read, not the files. Paths that do not exist are passed over. Also
    denies TCP (version 4) and signals or abstract sockets to other processes (version 6) where known.
    """
    version = landlock_version()
    if version < 1:
        raise WallError("Landlock is absent (Linux 5.13 or newer with `landlock` among its security modules)")
    handled = (1 << _NUM_FILE_RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("QQQ", handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    attributes = attributes[: 8 if version < 4 else 16 if version < 6 else 24]
    rules = _LIBC.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    _check(rules, "Landlock rule set")
    for path in readable:
        _allow(rules, path, handled, _READ | _LIST)
    for path in listable:
        _allow(rules, path, handled, _LIST)
    for path in writable:
        _allow(rules, path, handled, _READ | _LIST | _WRITE | _TRUNCATE | _CHANGE_FOLDER)
    return rules


def _allow(rules: int, path: str, handled: int, rights: int) -> None:
    if not os.path.exists(path):
        return
    if not os.path.isdir(path):
        rights &= _READ | _WRITE | _TRUNCATE
    target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights & handled, target)
        _check(_LIBC.syscall(_LANDLOCK_ADD_RULE, rules, 1, rule, 0), f"Landlock rule for {path}")
    finally:
        os.close(target)


def enter_landlock(rules: int) -> None:
    """Enforce a rule set on this process for good; closes the descriptor. Needs `forbid_new_privileges`."""
    _check(_LIBC.syscall(_LANDLOCK_RESTRICT, rules, 0), "Landlock")
    os.close(rules)


# ---- seccomp: which system calls a process may make
# Name, number on x86_64, number on aarch64. Absent on purpose: fork, clone, exec, sockets, ptrace, memfd, System V
# memory, io_uring, bpf, keys, mounts, namespaces, priorities.
_CALLS = """
access 21 -, alarm 37 -, arch_prctl 158 -, brk 12 214, chdir 80 49, clock_getres 229 114, clock_gettime 228 113,
clock_nanosleep 230 115, close 3 57, close_range 436 436, copy_file_range 326 285, dup 32 23, dup2 33 -,
dup3 292 24, epoll_create 213 -, epoll_create1 291 20, epoll_ctl 233 21, epoll_pwait 281 22, epoll_wait 232 -,
eventfd2 290 19, exit 60 93, exit_group 231 94, faccessat 269 48, faccessat2 439 439, fadvise64 221 223,
fallocate 285 47, fchdir 81 50, fcntl 72 25, fdatasync 75 83, flock 73 32, fstat 5 80, fstatfs 138 44,
fsync 74 82, ftruncate 77 46, futex 202 98, getcwd 79 17, getdents 78 -, getdents64 217 61, getegid 108 177,
geteuid 107 175, getgid 104 176, getgroups 115 158, getitimer 36 102, getpgid 121 155, getpgrp 111 -,
getpid 39 172, getppid 110 173, getrandom 318 278, getresgid 120 150, getresuid 118 148, getrlimit 97 163,
getrusage 98 165, getsid 124 156, gettid 186 178, gettimeofday 96 169, getuid 102 174, ioctl 16 29, kill 62 129,
lseek 8 62, lstat 6 -, madvise 28 233, membarrier 324 283, mincore 27 232, mkdir 83 -, mkdirat 258 34,
mmap 9 222, mprotect 10 226, mremap 25 216, msync 26 227, munmap 11 215, nanosleep 35 101, newfstatat 262 79,
open 2 -, openat 257 56, openat2 437 437, pause 34 -, pipe 22 -, pipe2 293 59, poll 7 -, ppoll 271 73,
pread64 17 67, preadv 295 69, prlimit64 302 261, pselect6 270 72, pwrite64 18 68, pwritev 296 70, read 0 63,
readlink 89 -, readlinkat 267 78, readv 19 65, rename 82 -, renameat 264 38, renameat2 316 276,
restart_syscall 219 128, rmdir 84 -, rseq 334 293, rt_sigaction 13 134, rt_sigpending 127 136,
rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigsuspend 130 133, rt_sigtimedwait 128 137,
sched_getaffinity 204 123, sched_yield 24 124, select 23 -, sendfile 40 71, set_robust_list 273 99,
setitimer 38 103, sigaltstack 131 132, stat 4 -, statfs 137 43, statx 332 291, sysinfo 99 179, tgkill 234 131,
time 201 -, times 100 153, truncate 76 45, umask 95 166, uname 63 160, unlink 87 -, unlinkat 263 35, write 1 64,
writev 20 66"""
_MACHINES = {"x86_64": (0xC000003E, 1, 317), "aarch64": (0xC00000B7, 2, 277)}  # audit arch, column, number of seccomp
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_PID_MARK = 0x7EAD0B0E  # no process has this number; `system_call_filter` puts the real one here
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
# File controls without F_SETOWN and F_SETSIG, which send signals past the rule for `kill`, and F_SETPIPE_SZ, memory
# that no limit sees.
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 1030, 1032)
_IOCTL = (0x5401, 0x5413, 0x5421, 0x541B, 0x5450, 0x5451)  # terminal queries, FIONREAD, FIONBIO, close-on-exec


def has_seccomp() -> bool:
    """Does the kernel filter system calls, and is there a table for this machine?"""
    return platform.machine() in _MACHINES and _LIBC.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0


class _FilterHead(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def enter_seccomp() -> None:
    """Allow only the calls of the table from now on; others fail with EPERM. Needs `forbid_new_privileges`."""
    if not has_seccomp():
        raise WallError(f"no system call filter on this machine ({platform.machine()})")
    program = system_call_filter(platform.machine(), os.getpid())
    code = ctypes.create_string_buffer(program, len(program))
    head = _FilterHead(len(program) // 8, ctypes.addressof(code))
    _check(_LIBC.syscall(_MACHINES[platform.machine()][2], 1, 0, ctypes.byref(head)), "seccomp")


def system_call_filter(machine: str, pid: int) -> bytes:
    """The BPF program, 8 bytes an instruction, for a process that may send signals to `pid`, itself, alone.

    Right architecture, argument rules for the few calls that need them, then a binary search among the allowed numbers:
    the kernel tries every number when the filter is installed, which a long list would make a millisecond's work.
    """
    return _filter_template(machine).replace(struct.pack("=I", _PID_MARK), struct.pack("=I", pid))


@functools.cache
def _filter_template(machine: str) -> bytes:
    architecture, _, _ = _MACHINES[machine]
    numbers = _call_numbers(machine)
    program = [
        _instruction(_LOAD, 4),
        _instruction(_IF_EQUAL, architecture, 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, 0),
    ]
    limited = {"kill": (0, (_PID_MARK,)), "tgkill": (0, (_PID_MARK,)), "prlimit64": (0, (0, _PID_MARK)),
               "fcntl": (1, _FCNTL), "ioctl": (1, _IOCTL)}  # fmt: skip
    for name, (argument, values) in limited.items():
        program += _argument_rule(numbers[name], argument, values)
    allowed = {number for name, number in numbers.items() if name not in limited}
    edges = sorted({number for number in allowed if number - 1 not in allowed}
                   | {number + 1 for number in allowed if number + 1 not in allowed})  # fmt: skip
    return b"".join(program + _search(edges, is_allowed=False))


def _search(edges: list[int], is_allowed: bool) -> list[bytes]:
    """Find the loaded number among `edges`, at each of which the answer changes; below the first it is `is_allowed`.

    Numbers of the x32 table (0x40000000 and above) lie behind the last edge, where nothing is allowed.
    """
    if not edges:
        return [_instruction(_RETURN, _ALLOW if is_allowed else _REFUSE)]
    middle = len(edges) // 2
    below = _search(edges[:middle], is_allowed)
    above = _search(edges[middle + 1 :], is_allowed ^ (middle % 2 == 0))
    return [_instruction(_IF_AT_LEAST, edges[middle], len(below), 0), *below, *above]


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value & 0xFFFFFFFF)


def _argument_rule(number: int, argument: int, values: tuple[int, ...]) -> list[bytes]:
    """Allow the call only when its argument is one of `values` (upper half zero)."""
    offset = 16 + 8 * argument
    body = [
        _instruction(_LOAD, offset + 4),
        _instruction(_IF_EQUAL, 0, 0, 1 + len(values)),
        _instruction(_LOAD, offset),
    ]
    for index, value in enumerate(values):
        body.append(_instruction(_IF_EQUAL, value, len(values) - index, 0))
    body += [_instruction(_RETURN, _REFUSE), _instruction(_RETURN, _ALLOW)]
    return [_instruction(_IF_EQUAL, number, 0, len(body)), *body]


@functools.cache
def _call_numbers(machine: str) -> dict[str, int]:
    column = _MACHINES[machine][1]
    rows = (entry.split() for entry in _CALLS.replace("\n", " ").split(",") if entry.strip())
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


# ---- the process itself
def forbid_new_privileges() -> None:
    """No set-uid program can raise this process again; both walls above require it."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def forget_capabilities() -> None:
    """Drop every capability of this process, and the right to regain one."""
    for capability in range(64):
        _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails without the right to drop, which is as good
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    _check(_LIBC.capset(header, b"\0" * 24), "capset")


def limit_resources(memory_bytes: int, cpu_seconds: int, file_bytes: int) -> None:
    """Address space, CPU time (then SIGXCPU, a second later SIGKILL), file size; no core files, 64 descriptors."""
    limits = {
        resource.RLIMIT_AS: (memory_bytes, memory_bytes),
        resource.RLIMIT_CPU: (cpu_seconds, cpu_seconds + 1),
        resource.RLIMIT_FSIZE: (file_bytes, file_bytes),
        resource.RLIMIT_NOFILE: (64, 64),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_MEMLOCK: (0, 0),
        resource.RLIMIT_MSGQUEUE: (0, 0),
        resource.RLIMIT_STACK: (16 << 20, 16 << 20),
    }
    for kind, value in limits.items():
        resource.setrlimit(kind, value)


def make_undumpable() -> None:
    """Other processes of the same user can neither trace this one nor read its memory."""
    _prctl(_PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> None:
    _check(_LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl({option})")


def _check(result: int, what: str) -> None:
    if result < 0:
        raise WallError(f"{what}: {os.strerror(ctypes.get_errno())}")
