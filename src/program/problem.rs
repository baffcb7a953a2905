//! Reasons why the protection of a program can't be relied on.

use serde::{Serialize, Serializer};

use crate::elf::memory::Divergence;
use crate::rewrite::Danger;
use crate::runtime::moment::EarlyCode;

/// Why the protection of a program can't be relied on. A file without any problem is
/// sound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It was never patched.
    #[error("it carries no sandbox policy")]
    NoPolicy,
    /// Its notes, or what they are judged by, can't be read.
    #[error("{0}")]
    Unreadable(String),
    /// The POLICY note is not the JSON of a policy.
    #[error("its policy can't be read: {0}")]
    PolicyUnreadable(String),
    /// What is enforced is not what people read.
    #[error("its filter is not what its policy compiles to")]
    FilterDiffers,
    /// A flag of the filter.
    #[error("its filter has all actions logged, which patching does not ask for")]
    Logs,
    /// The HEADER note makes the runtime protect other memory.
    #[error("the memory that is to become read-only is not its dynamic section")]
    Protection,
    /// The HEADER note gives a wrong former address of the dynamic section.
    #[error("its dynamic section was not where it is said to have been")]
    FormerDynamic,
    /// The kernel would refuse the filter, or never apply it.
    #[error("its filter is for another architecture, so it will not start")]
    Architecture,
    /// The rules of the POLICY note are not what its names mean.
    #[error("its rules are not what its names stand for")]
    Rules,
    /// DT_SANDBOX is missing.
    #[error("its dynamic section does not say that it was patched")]
    NotMarked,
    /// The notes can be changed before they are read.
    #[error("{0}")]
    Notes(Danger),
    /// No DT_NEEDED for the runtime.
    #[error("it does not load libsandbox.so, so its policy is not enforced")]
    NoRuntime,
    /// There is no runtime where one inside the program would be.
    #[error("its runtime is not beside its policy, so the policy is not enforced")]
    NoInlineRuntime,
    /// Neither the entry point nor an initialiser points to it.
    #[error("nothing in it leads to its runtime, so its policy is not enforced")]
    Unreached,
    /// Neither seems to, as far as can be told.
    #[error(
        "without section headers nobody can tell whether its initialisers lead to its runtime; \
         patch it after stripping, or have the policy hold from the entry point on"
    )]
    PerhapsUnreached,
    /// The runtime inside the program was never released.
    #[error("its runtime is neither that of this version nor that of an earlier one")]
    AnotherRuntime,
    /// There is none to compare it with.
    #[error("its runtime can't be compared: {0}")]
    Incomparable(String),
    /// The library at the path that the program names.
    #[error("its library {path} does not serve: {why}")]
    LibraryUnfit {
        /// The DT_NEEDED value.
        path: String,
        /// What is wrong with the file.
        why: String,
    },
    /// There is none.
    #[error("its library {0} does not exist, so it will not start")]
    LibraryMissing(String),
    /// The user may not see it.
    #[error("its library {path} can't be looked at: {why}")]
    LibraryHidden {
        /// The DT_NEEDED value.
        path: String,
        /// The reason.
        why: String,
    },
    /// The loader searches for it.
    #[error("its library {0} is not an absolute path, so another file can be loaded instead")]
    LibraryRelative(String),
    /// What runs is not what the file says.
    #[error("{0}")]
    Divergence(Divergence),
    /// Only a loader loads libraries, and the kernel starts one only if PT_INTERP names
    /// it.
    #[error(
        "it names no loader (PT_INTERP), so nothing loads its runtime and its policy is not \
         enforced"
    )]
    NoLoader,
    /// The kernel looks for the loader in the working directory.
    #[error("the path of its loader {0} is not absolute, so the loader can be replaced")]
    RelativeLoader(String),
    /// The file that is started instead of the program may be anything.
    #[error("the loader {0} is not known, so it may never come to the runtime")]
    UnknownLoader(String),
    /// The loader takes the program or itself for the runtime.
    #[error("the loader takes the program itself for its runtime, so its policy is not enforced")]
    PosesAsRuntime,
    /// Two libraries have the name of the runtime, and only one of them is looked at.
    #[error("it loads two libraries named libsandbox.so")]
    TwoRuntimes,
    /// A library that glibc has already loaded may take the runtime's place (DT_SONAME),
    /// and its constructors can do anything.
    #[error(
        "it loads {0} before its runtime, which that library can replace; it was added after \
         patching: patch the program again"
    )]
    LibraryBefore(String),
    /// Code of the program that runs before the policy is in force.
    #[error("{0}")]
    EarlyCode(EarlyCode),
}

impl Problem {
    /// A stable name, for programs that tell problems apart.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::NoPolicy => "no-policy",
            Self::Unreadable(_) => "unreadable",
            Self::PolicyUnreadable(_) => "policy-unreadable",
            Self::FilterDiffers => "filter-differs",
            Self::Logs => "logs",
            Self::Protection => "protection",
            Self::FormerDynamic => "former-dynamic",
            Self::Architecture => "architecture",
            Self::Rules => "rules",
            Self::NotMarked => "not-marked",
            Self::Notes(_) => "notes",
            Self::NoRuntime => "no-runtime",
            Self::NoInlineRuntime => "no-inline-runtime",
            Self::Unreached => "unreached",
            Self::PerhapsUnreached => "perhaps-unreached",
            Self::AnotherRuntime => "another-runtime",
            Self::Incomparable(_) => "incomparable",
            Self::LibraryUnfit { .. } => "library-unfit",
            Self::LibraryMissing(_) => "library-missing",
            Self::LibraryHidden { .. } => "library-hidden",
            Self::LibraryRelative(_) => "library-relative",
            Self::Divergence(_) => "divergence",
            Self::NoLoader => "no-loader",
            Self::RelativeLoader(_) => "relative-loader",
            Self::UnknownLoader(_) => "unknown-loader",
            Self::PosesAsRuntime => "poses-as-runtime",
            Self::TwoRuntimes => "two-runtimes",
            Self::LibraryBefore(_) => "library-before",
            Self::EarlyCode(_) => "early-code",
        }
    }
}

/// Serialised as its text.
impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
