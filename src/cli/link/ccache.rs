//! ccache, whose place is between this program and the compiler.

use std::path::Path;

use anyhow::{Result, ensure};
use rustix::process::getppid;

/// A command that ccache puts before the compiler (ccache(1), `prefix_command`).
const PREFIX: &str = "CCACHE_PREFIX";

/// What is to be said where ccache takes this program for the compiler.
pub(super) const IN_FRONT: &str = "ccache runs this and takes it for the compiler, so it does \
    not notice a change of the real one; have this run ccache instead: \
    sandbox-patch link [OPTIONS] -- ccache cc";

/// Refuses to be such a command: it would get the compiler as an argument.
pub(super) fn require_no_prefix() -> Result<()> {
    let prefix = std::env::var_os(PREFIX).unwrap_or_default();
    ensure!(
        !prefix.to_string_lossy().contains("sandbox-patch"),
        "{PREFIX} can't hold sandbox-patch, which would be given the compiler as something to \
         compile; have it run ccache instead: sandbox-patch link [OPTIONS] -- ccache cc"
    );
    Ok(())
}

/// Whether ccache runs this program.
pub(super) fn is_in_front() -> bool {
    let Some(parent) = getppid() else {
        return false;
    };
    let exe = format!("/proc/{}/exe", parent.as_raw_nonzero());
    let parent = std::fs::read_link(exe).unwrap_or_default();
    parent.file_name() == Path::new("ccache").file_name()
}
