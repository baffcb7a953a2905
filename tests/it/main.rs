//! The integration tests, a module a subject. They run the programs of the release build, as
//! a user would.

mod appended_data;
mod architecture;
mod article;
mod bad_input;
mod bad_request;
mod build_pipelines;
mod changed_afterwards;
mod convert;
mod cookbook;
mod debugging;
mod enforcement;
mod file_systems;
mod files;
mod golden;
mod groups;
mod hostile;
mod independence;
mod inline;
mod inline_runtime;
mod interrupted;
mod kept;
mod language;
mod launcher;
mod libcs;
mod library;
mod link;
mod manual;
mod note_format;
mod other_users;
mod patching;
mod policy_files;
mod programs;
mod public_api;
mod rewriting;
mod rewriting_inline;
mod runtime;
mod static_programs;
mod stdout_kinds;
mod targets;
mod trees;
mod unusual_programs;
mod verbs;
mod verified;
mod well_formed;

use sandbox_support as support;
