use libseccomp::{ScmpArch, ScmpSyscall};

use super::*;

/// libseccomp's name for an architecture.
pub(crate) fn scmp(arch: Arch) -> ScmpArch {
    match arch {
        Arch::X86_64 => ScmpArch::X8664,
        Arch::X32 => ScmpArch::X32,
        Arch::X86 => ScmpArch::X86,
        Arch::Aarch64 => ScmpArch::Aarch64,
        Arch::Arm => ScmpArch::Arm,
        Arch::Riscv64 => ScmpArch::Riscv64,
        Arch::Ppc64le => ScmpArch::Ppc64Le,
        Arch::Ppc64 => ScmpArch::Ppc64,
        Arch::Ppc => ScmpArch::Ppc,
        Arch::S390x => ScmpArch::S390X,
        Arch::S390 => ScmpArch::S390,
        Arch::Mips => ScmpArch::Mips,
        Arch::Mipsel => ScmpArch::Mipsel,
        Arch::Mips64 => ScmpArch::Mips64,
        Arch::Mipsel64 => ScmpArch::Mipsel64,
        Arch::Mips64n32 => ScmpArch::Mips64N32,
        Arch::Mipsel64n32 => ScmpArch::Mipsel64N32,
    }
}

/// What libseccomp calls a number.
fn reference(number: u32, arch: Arch) -> Option<String> {
    // It also takes MIPS numbers without their ABI's offset.
    let number = i32::try_from(number).ok();
    let number = number.filter(|it| it.unsigned_abs() >= arch.first_number())?;
    ScmpSyscall::from(number).get_name_by_arch(scmp(arch)).ok()
}

/// More numbers than any architecture has, counted from its first one.
const NUMBERS: u32 = 1024;

#[test]
fn every_number_that_libseccomp_knows_has_its_name() {
    let mut compared = 0;
    for arch in Arch::all() {
        for number in arch.first_number()..arch.first_number() + NUMBERS {
            if let Some(expected) = reference(number, arch) {
                assert_eq!(name(number, arch), Some(&*expected), "{number} on {arch}");
                assert_eq!(
                    super::number(&expected, arch),
                    Some(number),
                    "{expected} on {arch}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 17 * 300, "{compared}");
}

/// A call that libseccomp does not know has the number of x86_64, or is one of ARM's own
/// (arch/arm/include/uapi/asm/unistd.h) or of RISC-V's (arch/riscv/include/uapi/asm/unistd.h
/// of Linux 6.4: `__NR_arch_specific_syscall + 14`).
#[test]
fn no_number_is_of_our_own_making() {
    const ARM_PRIVATE: u32 = 0x0f_0000;
    let names = CALLS.iter().map(|row| row.0);
    let names: Vec<_> = names
        .chain(syscall::X86_64.iter().map(|row| row.1))
        .collect();
    for arch in Arch::all().filter(|arch| *arch != Arch::X86_64) {
        for &name in &names {
            let Some(number) = super::number(name, arch) else {
                continue;
            };
            if reference(number, arch).as_deref() == Some(name) {
                continue;
            }
            let own = number - arch.first_number();
            let is_uniform = own >= UNIFORM && syscall::X86_64.name(own) == Some(name);
            let is_private = arch == Arch::Arm && own > ARM_PRIVATE;
            let is_new = (name, arch, number) == ("riscv_hwprobe", Arch::Riscv64, 258);
            assert!(
                is_uniform || is_private || is_new,
                "{name} is {number} on {arch}"
            );
        }
    }
}

#[test]
fn names_are_in_order_and_there_once() {
    assert!(CALLS.is_sorted_by(|one, other| one.0 < other.0));
}

#[test]
fn new_calls_have_one_number_everywhere() {
    let of = |arch| super::number("mseal", arch);
    assert_eq!(of(Arch::X86_64), Some(462));
    assert_eq!(of(Arch::Aarch64), Some(462));
    assert_eq!(of(Arch::Mips64), Some(5462));
    assert_eq!(name(4462, Arch::Mips), Some("mseal"));
    // Of x86_64 alone.
    assert_eq!(super::number("uretprobe", Arch::Aarch64), None);
    assert!(is_known("uretprobe"));
}
