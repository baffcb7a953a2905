//! Put a seccomp policy into a Linux program, so that it sandboxes itself.
