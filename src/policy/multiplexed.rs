//! Multiplexers: socketcall(2) and ipc(2), each of which is many calls, told apart by its
//! first argument. The arguments of these calls are in memory.
//!
//! If an architecture has a multiplexer, its C library may use that or the call itself,
//! so the name of the call means both, in every list. libseccomp treats it the same way.

use sandbox_format::bpf::Test;

/// The multiplexer that can also be used to call `name`, and what its arguments must then
/// be.
pub(super) fn of(name: &str) -> Option<(&'static str, Test)> {
    // net/socket.c, `sys_socketcall`: the call is an `int`.
    let socketcall = SOCKETCALL.iter().find(|row| row.0 == name);
    if let Some((_, call)) = socketcall {
        return Some(("socketcall", first_argument(u32::MAX, *call)));
    }
    // ipc/syscall.c, `ksys_ipc`: the upper 16 bits of the `unsigned int` are the
    // version of the interface. Every version is the same call.
    let ipc = IPC.iter().find(|row| row.0 == name);
    ipc.map(|(_, call)| ("ipc", first_argument(0xffff, *call)))
}

fn first_argument(mask: u32, value: u32) -> Test {
    Test::equal(0, mask.into(), value.into())
}

/// The name of a multiplexer's call with this number.
#[must_use]
pub fn name(multiplexer: &str, call: u64) -> Option<&'static str> {
    let table = match multiplexer {
        "socketcall" => SOCKETCALL,
        "ipc" => IPC,
        _ => return None,
    };
    let row = table.iter().find(|row| u64::from(row.1) == call);
    row.map(|(name, _)| *name)
}

/// include/uapi/linux/net.h.
const SOCKETCALL: &[(&str, u32)] = &[
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("getsockname", 6),
    ("getpeername", 7),
    ("socketpair", 8),
    ("send", 9),
    ("recv", 10),
    ("sendto", 11),
    ("recvfrom", 12),
    ("shutdown", 13),
    ("setsockopt", 14),
    ("getsockopt", 15),
    ("sendmsg", 16),
    ("recvmsg", 17),
    ("accept4", 18),
    ("recvmmsg", 19),
    ("sendmmsg", 20),
];

/// include/uapi/linux/ipc.h.
const IPC: &[(&str, u32)] = &[
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];
