//! What a new file takes over from the one that it is made of.

use std::ffi::CStr;
use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::fs::{Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use super::{Error, Input, Keep};

/// Set-user-ID and set-group-ID (inode(7)).
const PRIVILEGES: u32 = 0o6000;

/// Gives the output what the input has: everything when it takes the input's
/// place; else what cp(1) gives a copy, so that nobody makes a program with
/// privileges or of another owner without asking for it.
pub(super) fn take_over(
    output: &File,
    input: &Input,
    in_place: bool,
    keep: Keep,
) -> Result<(), Error> {
    let metadata = &input.metadata;
    let mut mode = metadata.mode() & 0o7777;
    if in_place {
        // chown(2) clears the set-user-ID bits and capabilities, so it comes
        // first.
        take_owner(output, input)?;
    } else {
        mode &= !PRIVILEGES;
    }
    output
        .set_permissions(Permissions::from_mode(mode))
        .map_err(|error| Error::Attributes {
            what: "mode",
            error,
        })?;
    copy_extended(&input.file, output, in_place).map_err(|error| Error::Attributes {
        what: "extended attributes",
        error: error.into(),
    })?;
    if keep.times {
        take_times(output, input)?;
    }
    Ok(())
}

fn take_owner(output: &File, input: &Input) -> Result<(), Error> {
    let own = output.metadata().map_err(Error::Write)?;
    let (uid, gid) = (input.metadata.uid(), input.metadata.gid());
    if (own.uid(), own.gid()) == (uid, gid) {
        return Ok(());
    }
    std::os::unix::fs::fchown(output, Some(uid), Some(gid)).map_err(|error| Error::Attributes {
        what: "owner",
        error,
    })
}

fn take_times(output: &File, input: &Input) -> Result<(), Error> {
    let metadata = &input.metadata;
    let time = |seconds, nanoseconds| Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time(metadata.atime(), metadata.atime_nsec()),
        last_modification: time(metadata.mtime(), metadata.mtime_nsec()),
    };
    rustix::fs::futimens(output, &times).map_err(|error| Error::Attributes {
        what: "times",
        error: error.into(),
    })
}

/// Extended attributes: access control lists, what users put there and, in
/// place only, capabilities and labels (xattr(7), the `security` namespace).
/// Elsewhere, what the file system of the output does not take is left out.
fn copy_extended(from: &File, to: &File, in_place: bool) -> Result<(), Errno> {
    let mut names = vec![0; 1 << 16];
    let length = match rustix::fs::flistxattr(from, &mut names[..]) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        length => length?,
    };
    for name in names[..length].split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else {
            continue;
        };
        if !in_place && name.to_bytes().starts_with(b"security.") {
            continue;
        }
        match copy_one(from, to, name) {
            Err(Errno::OPNOTSUPP) if !in_place => {}
            copied => copied?,
        }
    }
    Ok(())
}

fn copy_one(from: &File, to: &File, name: &CStr) -> Result<(), Errno> {
    let mut value = vec![0; 1 << 16];
    let length = rustix::fs::fgetxattr(from, name, &mut value[..])?;
    // A label that the new file has already need not be set, which may take a
    // privilege that keeping it does not.
    let mut present = vec![0; length];
    if rustix::fs::fgetxattr(to, name, &mut present[..]) == Ok(length) && present == value[..length]
    {
        return Ok(());
    }
    rustix::fs::fsetxattr(to, name, &value[..length], XattrFlags::empty())
}
