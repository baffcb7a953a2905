//! Requests of ioctl. Most numbers say who takes them, which way the data goes and how
//! large it is (include/uapi/asm-generic/ioctl.h, `_IOC`); the rest are as old as Unix.

use super::Arch;

mod devices;
mod files;
mod kernel;
mod sockets;
mod terminals;

/// What a request's number is made of.
#[derive(Clone, Copy)]
pub(super) enum Request {
    /// The number itself.
    Plain(u32),
    /// Of parts.
    Composed {
        direction: Direction,
        /// The letter of those who take it.
        letter: u8,
        /// Its number among theirs.
        number: u8,
        /// How many bytes the data has where a `long` has 32 bits, and 64.
        sizes: [u16; 2],
    },
    /// Only the architectures that are named as exceptions have it.
    Elsewhere,
}

/// Which way the data goes, as the caller sees it: `_IO`, `_IOR`, `_IOW`, `_IOWR`.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    None,
    Read,
    Write,
    Both,
}

/// How the parts are put together.
#[derive(Clone, Copy)]
pub(super) enum Encoding {
    /// With 14 bits for the size.
    Fourteen,
    /// With 13 bits for the size (asm/ioctl.h of mips and powerpc).
    Thirteen,
}

impl Request {
    const fn composed(direction: Direction, letter: u8, number: u8, size: u16) -> Request {
        Request::Composed {
            direction,
            letter,
            number,
            sizes: [size, size],
        }
    }

    /// The same, whose data has this size where a `long` has 64 bits.
    const fn wide(self, size: u16) -> Request {
        match self {
            Request::Composed {
                direction,
                letter,
                number,
                sizes,
            } => Request::Composed {
                direction,
                letter,
                number,
                sizes: [sizes[0], size],
            },
            other => other,
        }
    }

    /// The number, [`super::ABSENT`] if there is none; `is_wide` says whether a `long` has
    /// 64 bits.
    pub(super) const fn number(self, encoding: Encoding, is_wide: bool) -> u64 {
        match self {
            Request::Plain(number) => number as u64,
            Request::Composed {
                direction,
                letter,
                number,
                sizes,
            } => {
                let size = sizes[is_wide as usize] as u64;
                let (direction, shift) = match (encoding, direction) {
                    (Encoding::Fourteen, Direction::None) => (0, 30),
                    (Encoding::Fourteen, Direction::Write) => (1, 30),
                    (Encoding::Fourteen, Direction::Read) => (2, 30),
                    (Encoding::Fourteen, Direction::Both) => (3, 30),
                    (Encoding::Thirteen, Direction::None) => (1, 29),
                    (Encoding::Thirteen, Direction::Read) => (2, 29),
                    (Encoding::Thirteen, Direction::Write) => (4, 29),
                    (Encoding::Thirteen, Direction::Both) => (6, 29),
                };
                direction << shift | size << 16 | (letter as u64) << 8 | number as u64
            }
            Request::Elsewhere => super::ABSENT,
        }
    }
}

const ELSEWHERE: Request = Request::Elsewhere;

const fn plain(number: u32) -> Request {
    Request::Plain(number)
}

pub(super) const fn none(letter: u8, number: u8) -> Request {
    Request::composed(Direction::None, letter, number, 0)
}

pub(super) const fn read(letter: u8, number: u8, size: u16) -> Request {
    Request::composed(Direction::Read, letter, number, size)
}

pub(super) const fn write(letter: u8, number: u8, size: u16) -> Request {
    Request::composed(Direction::Write, letter, number, size)
}

pub(super) const fn both(letter: u8, number: u8, size: u16) -> Request {
    Request::composed(Direction::Both, letter, number, size)
}

/// The names, each with its number on most architectures like this one.
pub(super) fn rows(arch: Arch) -> impl Iterator<Item = (&'static str, u64)> {
    let (encoding, is_wide) = match arch {
        Arch::X86_64 | Arch::Aarch64 | Arch::Riscv64 | Arch::S390x => (Encoding::Fourteen, true),
        Arch::X32 | Arch::X86 | Arch::Arm | Arch::S390 => (Encoding::Fourteen, false),
        Arch::Ppc64 | Arch::Ppc64le | Arch::Mips64 | Arch::Mipsel64 => (Encoding::Thirteen, true),
        Arch::Ppc | Arch::Mips | Arch::Mipsel | Arch::Mips64n32 | Arch::Mipsel64n32 => {
            (Encoding::Thirteen, false)
        }
    };
    TABLES
        .iter()
        .copied()
        .flatten()
        .map(move |(name, request)| (*name, request.number(encoding, is_wide)))
}

/// Those that other requests share a number with come first if they are better known.
const TABLES: &[&[(&str, Request)]] = &[
    terminals::ROWS,
    files::ROWS,
    sockets::ROWS,
    kernel::ROWS,
    devices::ROWS,
];
