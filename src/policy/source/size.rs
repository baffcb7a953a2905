//! How much the rules of a policy may say.

use super::Misread;

/// The most calls and comparisons of all rules together. No policy needs as many, and in
/// some forms a short file says far more.
const MAX: usize = 1 << 17;

/// What the rules so far say, in calls and comparisons.
#[derive(Default)]
pub(super) struct Size(usize);

impl Size {
    /// Adds what stands at a byte of the text.
    pub(super) fn add(&mut self, more: usize, offset: usize) -> Result<(), Misread> {
        self.0 = self.0.saturating_add(more);
        match self.0 > MAX {
            false => Ok(()),
            true => Err(Misread {
                offset,
                problem: format!(
                    "with this, the rules have more than {MAX} calls and comparisons, which no \
                     policy needs"
                ),
            }),
        }
    }
}
