//! The names of the OCI runtime specification, which are those of libseccomp's header.

use sandbox_format::bpf::Comparison;

use super::Misread;
use super::node::{Node, unknown};
use crate::policy::Arch;

/// What a call gets, without its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    KillProcess,
    KillThread,
    Trap,
    Errno,
    Trace,
    Log,
    Allow,
}

const VERBS: [(&str, Verb); 8] = [
    ("SCMP_ACT_ALLOW", Verb::Allow),
    ("SCMP_ACT_ERRNO", Verb::Errno),
    // Of the two it is the thread (include/seccomp.h).
    ("SCMP_ACT_KILL", Verb::KillThread),
    ("SCMP_ACT_KILL_PROCESS", Verb::KillProcess),
    ("SCMP_ACT_KILL_THREAD", Verb::KillThread),
    ("SCMP_ACT_LOG", Verb::Log),
    ("SCMP_ACT_TRACE", Verb::Trace),
    ("SCMP_ACT_TRAP", Verb::Trap),
];

/// An operator; `None` for the one with a mask.
const OPERATORS: [(&str, Option<Comparison>); 7] = [
    ("SCMP_CMP_EQ", Some(Comparison::Equal)),
    ("SCMP_CMP_GE", Some(Comparison::GreaterOrEqual)),
    ("SCMP_CMP_GT", Some(Comparison::Greater)),
    ("SCMP_CMP_LE", Some(Comparison::LessOrEqual)),
    ("SCMP_CMP_LT", Some(Comparison::Less)),
    ("SCMP_CMP_MASKED_EQ", None),
    ("SCMP_CMP_NE", Some(Comparison::NotEqual)),
];

/// What an architecture is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    Known(Arch),
    /// The program's own, whichever that is.
    Native,
    /// One that we know nothing about, but that it stores words like this.
    Other {
        big_endian: bool,
    },
}

const LITTLE: Machine = Machine::Other { big_endian: false };
const BIG: Machine = Machine::Other { big_endian: true };

/// Architectures, and what they are called in the conditions of Docker's profiles, which is
/// libseccomp-golang's name for them.
const ARCHITECTURES: [(&str, &str, Machine); 25] = [
    ("SCMP_ARCH_X86_64", "amd64", Machine::Known(Arch::X86_64)),
    ("SCMP_ARCH_X32", "x32", Machine::Known(Arch::X32)),
    ("SCMP_ARCH_X86", "x86", Machine::Known(Arch::X86)),
    ("SCMP_ARCH_AARCH64", "arm64", Machine::Known(Arch::Aarch64)),
    ("SCMP_ARCH_ARM", "arm", Machine::Known(Arch::Arm)),
    (
        "SCMP_ARCH_RISCV64",
        "riscv64",
        Machine::Known(Arch::Riscv64),
    ),
    (
        "SCMP_ARCH_PPC64LE",
        "ppc64le",
        Machine::Known(Arch::Ppc64le),
    ),
    ("SCMP_ARCH_PPC64", "ppc64", Machine::Known(Arch::Ppc64)),
    ("SCMP_ARCH_PPC", "ppc", Machine::Known(Arch::Ppc)),
    ("SCMP_ARCH_S390X", "s390x", Machine::Known(Arch::S390x)),
    ("SCMP_ARCH_S390", "s390", Machine::Known(Arch::S390)),
    ("SCMP_ARCH_MIPS", "mips", Machine::Known(Arch::Mips)),
    ("SCMP_ARCH_MIPSEL", "mipsel", Machine::Known(Arch::Mipsel)),
    ("SCMP_ARCH_MIPS64", "mips64", Machine::Known(Arch::Mips64)),
    (
        "SCMP_ARCH_MIPSEL64",
        "mipsel64",
        Machine::Known(Arch::Mipsel64),
    ),
    (
        "SCMP_ARCH_MIPS64N32",
        "mips64n32",
        Machine::Known(Arch::Mips64n32),
    ),
    (
        "SCMP_ARCH_MIPSEL64N32",
        "mipsel64n32",
        Machine::Known(Arch::Mipsel64n32),
    ),
    ("SCMP_ARCH_NATIVE", "native", Machine::Native),
    ("SCMP_ARCH_LOONGARCH64", "loong64", LITTLE),
    ("SCMP_ARCH_SH", "sh", LITTLE),
    ("SCMP_ARCH_SHEB", "sheb", BIG),
    ("SCMP_ARCH_M68K", "m68k", BIG),
    ("SCMP_ARCH_PARISC", "parisc", BIG),
    ("SCMP_ARCH_PARISC64", "parisc64", BIG),
    // How moby spells one of them (nativeToSeccomp in its seccomp_linux.go).
    (
        "SCMP_ARCH_MIPSEL64N32",
        "mips3l64n32",
        Machine::Known(Arch::Mipsel64n32),
    ),
];

/// seccomp(2); what they say is about the installation of a filter, not about what is in it.
const FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

/// capabilities(7), in the order of include/uapi/linux/capability.h.
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What the text of a node means.
fn meaning<T: Copy>(node: &Node, what: &str, words: &[(&str, T)]) -> Result<T, Misread> {
    let text = node.text()?;
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, meaning)) => Ok(*meaning),
        None => {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            Err(node.wrong(unknown(what, text, &words)))
        }
    }
}

pub(super) fn verb(node: &Node) -> Result<Verb, Misread> {
    if node.text()? == "SCMP_ACT_NOTIFY" {
        let problem =
            "SCMP_ACT_NOTIFY needs a process beside the program that answers for the call";
        return Err(node.wrong(problem));
    }
    meaning(node, "action", &VERBS)
}

/// The name of what a call gets.
pub(super) fn verb_name(verb: Verb) -> &'static str {
    // The last of those with one meaning: the newer name says which of them dies.
    let named = VERBS.iter().rfind(|(_, named)| *named == verb);
    named.map_or("", |(name, _)| name)
}

pub(super) fn operator(node: &Node) -> Result<Option<Comparison>, Misread> {
    meaning(node, "operator", &OPERATORS)
}

pub(super) fn architecture(node: &Node) -> Result<Machine, Misread> {
    let words = ARCHITECTURES.map(|(name, _, machine)| (name, machine));
    meaning(node, "architecture", &words[..ARCHITECTURES.len() - 1])
}

/// An architecture in a condition of Docker's.
pub(super) fn short_architecture(node: &Node) -> Result<Machine, Misread> {
    let words = ARCHITECTURES.map(|(_, name, machine)| (name, machine));
    meaning(node, "architecture", &words)
}

/// The name of an architecture.
pub(super) fn architecture_name(arch: Arch) -> &'static str {
    let is_it = |(_, _, machine): &&(&str, &str, Machine)| *machine == Machine::Known(arch);
    let row = ARCHITECTURES.iter().find(is_it);
    row.map_or("", |(name, _, _)| name)
}

pub(super) fn flag(node: &Node) -> Result<(), Misread> {
    meaning(node, "flag", &FLAGS.map(|flag| (flag, ())))
}

pub(super) fn capability(node: &Node) -> Result<&str, Misread> {
    meaning(node, "capability", &CAPABILITIES.map(|name| (name, name)))
}
