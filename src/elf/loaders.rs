//! The dynamic loaders whose behaviour is known, by name.

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Whether a program interpreter is musl's.
#[must_use]
pub fn is_musl(interpreter: &str) -> bool {
    file_name(interpreter).starts_with("ld-musl-")
}

/// Whether it is glibc's (shlib-versions, sysdeps/*/shlib-versions).
#[must_use]
pub fn is_glibc(interpreter: &str) -> bool {
    let name = file_name(interpreter);
    ["ld-linux", "ld.so.1", "ld64.so."]
        .iter()
        .any(|start| name.starts_with(start))
}
