//! What vouches for a file's content and is kept outside of it: it does not
//! hold for any other content.

use std::ffi::CStr;

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};

use super::Input;
use super::attributes::names;

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

impl Input {
    /// What vouches for the content and is not taken over by any result.
    #[must_use]
    pub fn seals(&self) -> Vec<String> {
        let names = names(&self.file).unwrap_or_default();
        let attributes = names.iter().filter(|name| is_seal(name));
        attributes
            .map(|name| name.to_string_lossy().into_owned())
            .chain(self.has_verity().then(|| "fs-verity".to_owned()))
            .collect()
    }

    /// Whether the kernel checks each block that is read (fs-verity; statx(2),
    /// STATX_ATTR_VERITY).
    fn has_verity(&self) -> bool {
        let flags = StatxFlags::empty();
        rustix::fs::statx(&self.file, c"", AtFlags::EMPTY_PATH, flags)
            .is_ok_and(|status| status.stx_attributes.contains(StatxAttributes::VERITY))
    }
}
