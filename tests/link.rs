//! The integration tests of `sandbox-patch link` by themselves.

use sandbox_support as support;

#[path = "it/link.rs"]
mod link;
