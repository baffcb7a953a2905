//! The stage for integration tests that read like a user's transcript: a
//! folder, programs compiled into it, command lines, and what came of them.
//!
//! Nothing is simulated and nothing is skipped: a missing tool fails the test
//! that needs it (`make setup` installs them all).

mod artefacts;
pub mod corpus;
mod faithful;
mod notes;
mod output;
mod readers;
mod shell;
mod workspace;

pub use artefacts::{inline_runtime, library, program, project, release_directory, target_folder};
pub use faithful::assert_faithful;
pub use notes::{Kind, PatchedFile};
pub use output::Output;
pub use readers::{new_faults, warnings};
pub use rustix::process::Signal;
pub use shell::{Outcome, Shell, as_nobody, as_root};
pub use workspace::{Workspace, fixture_path};
