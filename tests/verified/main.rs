//! What `verify` accepts runs under its policy, whatever was done to the file.

#[path = "../support/mod.rs"]
mod support;

mod headers;
mod mutate;
mod search;
