//! Building the programs, and starting them.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Long enough for any machine; a program that needs it has failed.
const DEADLINE_S: u32 = 120;

/// What the program says until it ends well.
pub fn said(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let limit = || {
        // SAFETY: one call to the system, whose effect the program keeps.
        unsafe { libc::alarm(DEADLINE_S) };
        Ok(())
    };
    // SAFETY: between fork and exec it does nothing else.
    unsafe { command.args(arguments).pre_exec(limit) };
    let output = command.output().expect("it starts");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{said}\n{complained}", output.status);
    said.trim_end().to_owned()
}

/// What is built by cargo with these arguments, from this package, at this path below the folder that it builds into.
pub fn built(arguments: &[&str], path: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("lifetimes");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "-p", "lifetimes", "--target-dir"]).arg(&folder).args(arguments);
    assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs").success(), "it builds");
    folder.join(path).to_str().expect("text").to_owned()
}
