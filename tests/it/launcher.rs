//! `sandboxify`: programs that know nothing of it run as if they had been
//! started directly, under a policy that may forbid all that starting takes.

mod a_policy;
mod nobody_s_privileges_are_enough;
mod the_environment;
mod the_launcher;
mod the_program;
mod the_secret;

use std::os::unix::fs::PermissionsExt;

use crate::support::{Signal, Workspace, as_nobody, as_root};

/// Ways to build a program that no dynamic loader starts.
const STATIC: [&str; 4] = [
    "gcc -static",
    "gcc -static-pie",
    "musl-gcc -static",
    "i686-linux-gnu-gcc -static",
];

const DYNAMIC: [&str; 2] = ["gcc", "musl-gcc"];

fn every_kind() -> impl Iterator<Item = &'static str> {
    STATIC.into_iter().chain(DYNAMIC)
}
