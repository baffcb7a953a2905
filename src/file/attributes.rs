//! What a new file takes over from the one that it is made of.

use std::ffi::{CStr, CString};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::fs::{IFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use super::{Error, Input, Keep};

/// Set-user-ID and set-group-ID (inode(7)).
const PRIVILEGES: u32 = 0o6000;

/// The access control list beyond the mode (acl(5), "FILESYSTEM").
const ACCESS_LIST: &CStr = c"system.posix_acl_access";

/// What an owner asks of the file system for a file (ioctl_iflags(2)), of the
/// flags that can be set on a file with content: not to back it up, not to keep
/// its time of access, to write it at once.
const WISHES: IFlags = IFlags::NODUMP.union(IFlags::NOATIME).union(IFlags::SYNC);

/// Extended attributes (security/integrity in the kernel's source) with a
/// signature or checksum of the content (IMA), or of other attributes and the
/// inode's number (EVM).
///
/// They are not copied. A kernel that appraises files refuses a program with a
/// wrong one as well as without any; but where its policy asks for a checksum
/// only, it can make the right one for a new file that has none (ima_appraise.c,
/// IMA_NEW_FILE), and EVM's checksum can't be set from outside (evm_main.c,
/// `evm_inode_setxattr`).
const SEALS: [&CStr; 2] = [c"security.ima", c"security.evm"];

/// Whether an extended attribute vouches for the content.
pub(super) fn is_seal(name: &CStr) -> bool {
    SEALS.contains(&name)
}

/// Gives the output what the input has: everything when it takes the input's
/// place; else what cp(1) gives a copy, so that nobody makes a program with
/// privileges or of another owner without asking for it.
pub(super) fn take_over(
    output: &File,
    input: &Input,
    in_place: bool,
    keep: Keep,
) -> Result<(), Error> {
    let mut mode = input.status.mode();
    if in_place {
        // chown(2) clears the set-user-ID bits and capabilities, so it comes
        // first.
        take_owner(output, input)?;
    } else {
        mode &= !PRIVILEGES;
    }
    drop_inherited_list(output).map_err(|error| not_kept("access control list", error))?;
    // While the mode still permits it (xattr(7), "Extended user attributes").
    copy_extended(&input.file, output, in_place)?;
    take_mode(output, mode)?;
    if in_place {
        take_wishes(output, input).map_err(|error| not_kept("inode flags", error))?;
    }
    if keep.times {
        take_times(output, input)?;
    }
    Ok(())
}

fn not_kept(what: &str, error: impl Into<io::Error>) -> Error {
    Error::Attributes {
        what: what.to_owned(),
        error: error.into(),
    }
}

fn take_owner(output: &File, input: &Input) -> Result<(), Error> {
    let own = output.metadata().map_err(Error::Write)?;
    let (uid, gid) = (input.status.owner(), input.status.group());
    if (own.uid(), own.gid()) == (uid, gid) {
        return Ok(());
    }
    std::os::unix::fs::fchown(output, Some(uid), Some(gid))
        .map_err(|error| not_kept("owner", error))
}

/// Where the directory has a default access control list, a new file has one that
/// the input need not have.
fn drop_inherited_list(output: &File) -> Result<(), Errno> {
    match rustix::fs::fremovexattr(output, ACCESS_LIST) {
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        removed => removed,
    }
}

fn take_mode(output: &File, mode: u32) -> Result<(), Error> {
    let not_kept = |error| not_kept("mode", error);
    output
        .set_permissions(Permissions::from_mode(mode))
        .map_err(not_kept)?;
    // chmod(2) leaves the set-group-ID bit out, without an error, for who is not
    // in the file's group.
    let given = output.metadata().map_err(not_kept)?.mode() & 0o7777;
    if given == mode {
        Ok(())
    } else {
        Err(not_kept(io::ErrorKind::PermissionDenied.into()))
    }
}

/// Few files have any, and few file systems all of them.
fn take_wishes(output: &File, input: &Input) -> Result<(), Errno> {
    let Ok(flags) = rustix::fs::ioctl_getflags(&input.file) else {
        return Ok(());
    };
    let own = rustix::fs::ioctl_getflags(output)?;
    let wanted = own.difference(WISHES) | flags.intersection(WISHES);
    if wanted == own {
        Ok(())
    } else {
        rustix::fs::ioctl_setflags(output, wanted)
    }
}

fn take_times(output: &File, input: &Input) -> Result<(), Error> {
    let time = |(seconds, nanoseconds): (i64, u64)| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or_default(),
    };
    let times = Timestamps {
        last_access: time(input.status.accessed()),
        last_modification: time(input.status.modified()),
    };
    rustix::fs::futimens(output, &times).map_err(|error| not_kept("times", error))
}

/// Extended attributes: access control lists, what users put there and, in
/// place only, capabilities and labels (xattr(7), the `security` namespace).
/// Elsewhere, what the file system of the output does not take is left out. Not
/// even in place what is true of the old content alone.
fn copy_extended(from: &File, to: &File, in_place: bool) -> Result<(), Error> {
    for name in names(from).map_err(|error| not_kept("extended attributes", error))? {
        let is_elsewhere = !in_place && name.to_bytes().starts_with(b"security.");
        if is_elsewhere || is_seal(&name) {
            continue;
        }
        match copy_one(from, to, &name) {
            Err(Errno::OPNOTSUPP) if !in_place => {}
            copied => copied.map_err(|error| {
                let name = name.to_string_lossy();
                not_kept(&format!("extended attribute {name}"), error)
            })?,
        }
    }
    Ok(())
}

/// The names of a file's extended attributes.
pub(super) fn names(file: &File) -> Result<Vec<CString>, Errno> {
    // XATTR_LIST_MAX (linux/limits.h).
    let mut names = vec![0; 1 << 16];
    let length = match rustix::fs::flistxattr(file, &mut names[..]) {
        Err(Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    let names = names[..length].split_inclusive(|&byte| byte == 0);
    Ok(names
        .filter_map(|name| CString::from_vec_with_nul(name.to_vec()).ok())
        .collect())
}

fn copy_one(from: &File, to: &File, name: &CStr) -> Result<(), Errno> {
    // XATTR_SIZE_MAX (linux/limits.h).
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
