//! Letting the process that installs a filter through, once, by a secret.
//!
//! A process that installs a filter and then executes a program is subject to the filter
//! itself: execve(2) has to be permitted for it, and for no one afterwards. A filter sees
//! six argument registers of every call, including those that the call does not use
//! (`populate_seccomp_data`, kernel/seccomp.c). The launcher puts 128 random bits into
//! the last two, and the filter permits the call that has them there. On x86 the kernel
//! clears the registers for the new program (`elf_common_init`,
//! arch/x86/include/asm/elf.h); on riscv and s390 it does not, and the program would
//! learn the secret.

use sandbox_format::bpf::{MAX_INSTRUCTIONS, data, op, ret};

use super::operation::code;
use super::{Error, Instruction};

/// The unused arguments of the calls that hold the secret. The audit log records the
/// first four (`audit_log_exit`, kernel/auditsc.c), so none of those.
const PLACES: [u32; 2] = [4, 5];

/// `BPF_ALU | BPF_XOR | BPF_K` and `BPF_ALU | BPF_OR | BPF_X`.
const XOR: u16 = 0xa4;
const OR_X: u16 = 0x44 | code::X;

/// Calls that are let through if their last two arguments are a secret.
#[derive(Clone, Copy)]
pub struct Pass {
    /// The audit architecture of the calling process.
    pub arch: u32,
    /// The machine's byte order.
    pub big_endian: bool,
    /// Their numbers.
    pub calls: [u32; 2],
    /// The secret.
    pub secret: [u64; 2],
}

impl Pass {
    /// The filter that lets these calls through, and leaves all others to `program`.
    ///
    /// All words of the secret are always compared, so that the time that a guess takes
    /// says nothing about a part of it. Other numbers cost two comparisons, and their
    /// place in the kernel's always-allow bitmap does not change.
    ///
    /// # Errors
    ///
    /// It would be longer than the kernel accepts.
    pub fn before(&self, program: &[Instruction]) -> Result<Vec<Instruction>, Error> {
        let mut own = vec![step(op::RETURN, ret::ALLOW)];
        // From the last instruction to the first, whose jumps lead behind
        // what is there already.
        own.push(branch(0, 0, 1));
        for (index, (offset, value)) in self.words().into_iter().enumerate() {
            let is_last_read = index == 0;
            let is_first_read = index == 3;
            if !is_last_read {
                own.push(step(code::TAX, 0));
            }
            if !is_first_read {
                own.push(step(OR_X, 0));
            }
            own.push(step(XOR, value));
            own.push(step(op::LOAD, offset));
        }
        let to_program = |own: &[Instruction]| {
            u8::try_from(own.len()).expect("so few instructions are in reach of a jump")
        };
        own.push(branch(self.arch, 0, to_program(&own)));
        own.push(step(op::LOAD, data::ARCH));
        own.push(branch(self.calls[1], 0, to_program(&own)));
        own.push(branch(self.calls[0], 1, 0));
        own.push(step(op::LOAD, data::NUMBER));
        own.reverse();
        own.extend_from_slice(program);
        if own.len() > MAX_INSTRUCTIONS {
            return Err(Error::TooLong);
        }
        Ok(own)
    }

    /// The halves of the secret, with their offsets in `struct seccomp_data`.
    fn words(&self) -> [(u32, u32); 4] {
        let word = |index: usize, high: bool| {
            let [low, upper] = [
                self.secret[index] & u64::from(u32::MAX),
                self.secret[index] >> 32,
            ];
            let place = if high == self.big_endian { 0 } else { 4 };
            let value = if high { upper } else { low };
            (
                data::ARGS + 8 * PLACES[index] + place,
                u32::try_from(value).unwrap_or_default(),
            )
        };
        [word(0, false), word(0, true), word(1, false), word(1, true)]
    }
}

fn step(code: u16, k: u32) -> Instruction {
    Instruction {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

fn branch(k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction {
        code: op::JUMP_EQ,
        jt,
        jf,
        k,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Data, Program};

    const ARCH: u32 = 0xc000_003e;
    const EXECVE: u32 = 59;
    const EXIT_GROUP: u32 = 231;
    const SECRET: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];
    const REFUSED: u32 = ret::ERRNO | 1;

    fn pass(big_endian: bool) -> Pass {
        Pass {
            arch: ARCH,
            big_endian,
            calls: [EXECVE, EXIT_GROUP],
            secret: SECRET,
        }
    }

    fn verdict(big_endian: bool, call: &Data) -> u32 {
        let filter = pass(big_endian).before(&[step(op::RETURN, REFUSED)]);
        let filter = filter.expect("a short filter");
        Program::new(&filter, big_endian)
            .expect("a valid filter")
            .run(call)
    }

    fn call(nr: u32, secret: [u64; 2]) -> Data {
        Data {
            nr,
            arch: ARCH,
            ip: 0,
            args: [0, 0, 0, 0, secret[0], secret[1]],
        }
    }

    #[test]
    fn only_the_two_calls_with_the_secret_pass() {
        for big_endian in [false, true] {
            for nr in 0..1024 {
                let passes = matches!(nr, EXECVE | EXIT_GROUP);
                let expected = if passes { ret::ALLOW } else { REFUSED };
                assert_eq!(verdict(big_endian, &call(nr, SECRET)), expected, "{nr}");
                assert_eq!(verdict(big_endian, &call(nr, [0; 2])), REFUSED, "{nr}");
            }
        }
    }

    #[test]
    fn every_bit_of_the_secret_counts() {
        for big_endian in [false, true] {
            for bit in 0..64 {
                let [first, second] = SECRET;
                for secret in [[first ^ (1 << bit), second], [first, second ^ (1 << bit)]] {
                    assert_eq!(verdict(big_endian, &call(EXECVE, secret)), REFUSED, "{bit}");
                }
            }
            // Errors that cancel each other out in a sum.
            let all = [SECRET[0] ^ u64::MAX, SECRET[1] ^ u64::MAX];
            assert_eq!(verdict(big_endian, &call(EXECVE, all)), REFUSED);
        }
    }

    #[test]
    fn the_secret_is_of_no_use_to_other_architectures_and_abis() {
        let x32 = call(EXECVE | 0x4000_0000, SECRET);
        assert_eq!(verdict(false, &x32), REFUSED);
        let i386 = Data {
            arch: 0x4000_0003,
            ..call(EXECVE, SECRET)
        };
        assert_eq!(verdict(false, &i386), REFUSED);
    }

    #[test]
    fn a_filter_without_room_is_refused() {
        let longest = vec![step(op::RETURN, REFUSED); MAX_INSTRUCTIONS];
        let own = pass(false)
            .before(&longest[..1])
            .expect("a short filter")
            .len()
            - 1;
        let fits = &longest[..MAX_INSTRUCTIONS - own];
        assert_eq!(
            pass(false).before(fits).expect("room").len(),
            MAX_INSTRUCTIONS
        );
        assert!(pass(false).before(&longest[..=fits.len()]).is_err());
    }
}
