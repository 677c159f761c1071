"""The system call filter, run by an interpreter of BPF written here from the kernel's description of it."""

import struct

import pytest

from dsmath_pipeline.grading import walls

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050001, 0x80000000


def verdict(program: bytes, architecture: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    data = struct.pack("=iIQ6Q", number, architecture, 0, *(*arguments, *[0] * (6 - len(arguments))))
    at, loaded = 0, 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x20:
            (loaded,) = struct.unpack_from("=I", data, value)
        elif code == 0x15:
            at += if_true if loaded == value else if_false
        elif code == 0x35:
            at += if_true if loaded >= value else if_false
        else:
            assert code == 0x06
            return value


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_binary_search_allows_exactly_the_numbers_of_the_table(machine):
    program = walls.system_call_filter(machine, 4711)
    table = walls._call_numbers(machine)
    limited = {table[name] for name in ("kill", "tgkill", "ioctl")}  # refused with arguments of zero
    plain = set(table.values()) - limited
    allowed = {n for n in range(1000) if verdict(program, ARCHITECTURES[machine], n) == ALLOW}
    assert allowed == plain
    for number in (2**30, 2**30 + 39, 2**31, 2**32 - 1):
        signed = number - 2**32 if number >= 2**31 else number
        assert verdict(program, ARCHITECTURES[machine], signed) == REFUSE


# From the kernel's table: fork, vfork, clone, clone3, execve, socket, ptrace, mount, unshare, bpf, keyctl,
# io_uring_setup, memfd_create, perf_event_open
@pytest.mark.parametrize("number", [57, 58, 56, 435, 59, 41, 101, 165, 272, 321, 250, 425, 319, 298])
def test_dangerous_calls_are_refused(number):
    assert verdict(walls.system_call_filter("x86_64", 4711), ARCHITECTURES["x86_64"], number) == REFUSE


def test_a_foreign_architecture_is_killed():
    program = walls.system_call_filter("x86_64", 4711)
    assert verdict(program, 0x40000003, 20) == KILL  # i386, the table of int 0x80


def test_arguments_decide_about_signals_limits_and_file_controls():
    program = walls.system_call_filter("x86_64", 4711)

    def x86(number, *arguments):
        return verdict(program, ARCHITECTURES["x86_64"], number, arguments)

    kill, tgkill, prlimit, fcntl, ioctl = 62, 234, 302, 72, 16
    assert [x86(kill, pid, 9) for pid in (4711, 1, 0, 2**64 - 1, 4711 + 2**32)] == [ALLOW, *[REFUSE] * 4]
    assert [x86(tgkill, pid, pid, 9) for pid in (4711, 4710)] == [ALLOW, REFUSE]
    assert [x86(prlimit, pid) for pid in (0, 4711, 1)] == [ALLOW, ALLOW, REFUSE]
    assert [x86(fcntl, 3, command) for command in (1, 3, 8, 10, 15, 1031)] == [ALLOW, ALLOW, *[REFUSE] * 4]
    assert [x86(ioctl, 0, command) for command in (0x5401, 0x5412, 0x541C)] == [ALLOW, REFUSE, REFUSE]


def test_the_filter_fits_into_the_kernel_s_limit():
    assert all(len(walls.system_call_filter(machine, 1)) // 8 < 4096 for machine in ARCHITECTURES)
