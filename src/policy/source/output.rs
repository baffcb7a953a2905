//! Policies that are written in another tool's form.

use crate::policy::Resolved;

/// A policy that is being written in another tool's form.
pub(super) struct Output<'a> {
    pub(super) resolved: &'a Resolved,
    /// Leave out what the form can't say.
    pub(super) is_lossy: bool,
    /// What was left out.
    pub(super) left_out: Vec<Unsayable>,
}

/// What another tool's form can't say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule} can't be said in this form: {why}")]
pub struct Unsayable {
    /// The rule.
    pub rule: String,
    /// Why not.
    pub why: String,
}

impl Output<'_> {
    /// Leaves out what the form can't say, if that is wanted.
    pub(super) fn leave_out(
        &mut self,
        rule: impl ToString,
        why: impl Into<String>,
    ) -> Result<(), Unsayable> {
        let unsayable = Unsayable {
            rule: rule.to_string(),
            why: why.into(),
        };
        if !self.is_lossy {
            return Err(unsayable);
        }
        self.left_out.push(unsayable);
        Ok(())
    }
}
