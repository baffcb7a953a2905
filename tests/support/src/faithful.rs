//! What holds for every patched program.

use super::Workspace;

/// `after` is the program `before` with a policy in it, and taking the policy out
/// gives `before` again, byte for byte. Both are names in the workspace.
#[track_caller]
pub fn assert_faithful(ws: &Workspace, before: &str, after: &str) {
    let original = ws.read(before);
    let patched = ws.read(after);
    sandbox_oracle::assert_faithful(&original, &patched);
    if let Err(difference) = sandbox_oracle::check_with_goblin(&original, &patched) {
        panic!("{after} is another program: {difference}");
    }
    let restored = "restored-by-assert-faithful";
    ws.run(&format!("sandbox-patch remove -o {restored} ./{after}"))
        .succeeds();
    assert!(ws.read(restored) == original, "{after} does not lead back");
    ws.run(&format!("rm {restored}")).succeeds();
}
