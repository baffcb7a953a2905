//! No privilege is needed.

use crate::launcher::*;

#[test]
fn wherever_it_runs() {
    let ws = Workspace::with_myos("gcc -static");
    let nobody = as_nobody();
    for surroundings in [
        String::new(),
        nobody.to_owned(),
        format!("{nobody}setpriv --no-new-privs "),
        format!("{}setpriv --bounding-set -all --inh-caps -all ", as_root()),
        format!("{nobody}unshare --user --map-root-user "),
        "sandboxify -q --deny ptrace,process_vm_readv ".to_owned(),
    ] {
        ws.run(&format!(
            "{surroundings}$(command -v sandboxify) --deny uname ./myos"
        ))
        .dies_by(Signal::SYS)
        .prints_only("")
        .is_silent();
        ws.run(&format!(
            "{surroundings}$(command -v sandboxify) -q --deny execve ./myos"
        ))
        .succeeds()
        .is_silent()
        .prints_only("My OS is Linux!\n");
    }
}
