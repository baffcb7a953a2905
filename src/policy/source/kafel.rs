//! TODO kafel.

use super::Input;
use crate::policy::Draft;
use crate::policy::condition::Misread;

pub(super) fn read(_input: &Input<'_>) -> Result<Draft, Misread> {
    Err(Misread {
        offset: 0,
        problem: "not yet".to_owned(),
    })
}
