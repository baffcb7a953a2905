//! What `verify` accepts runs under its policy, whatever was done to the file.

mod headers;
mod mutate;
mod search;
