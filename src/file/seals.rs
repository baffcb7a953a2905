//! What vouches for a file's content and is kept outside of it: it does not
//! hold for any other content.

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};

use super::Input;
use super::attributes::{is_seal, names};

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
