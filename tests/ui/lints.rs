//! The warnings that telemetry-core's feature `lints` turns on. A feature holds in all crates of a build, so this one is apart.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

const SOURCE: &str = r#"//! .
use telemetry_core::{Counter, Event, event, metric};
#[metric(name = "a_total")]
pub static A: Counter;
/// .
#[metric(name = "b_seconds")]
pub static B: Counter;
#[allow(deprecated)]
#[metric(name = "c_seconds")]
pub static C: Counter;
/// .
#[event(name = "d_ms")]
pub static D: Event<u32>;
"#;

#[test]
fn what_is_allowed_and_not_good_is_warned_of_where_the_feature_is_on() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("it is there");
    let folder = root.join("target/ui-lints");
    let manifest = format!(
        "[workspace]\n[package]\nname = \"linted\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n\
         telemetry-core = {{ path = \"{}\", default-features = false, features = [\"lints\"] }}\n",
        root.join("telemetry-core").display()
    );
    fs::create_dir_all(folder.join("src")).expect("a folder");
    fs::write(folder.join("Cargo.toml"), manifest).expect("written");
    fs::write(folder.join("src/lib.rs"), SOURCE).expect("written");
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("written");
    let mut check = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    check.current_dir(&folder).env("CARGO_TARGET_DIR", folder.join("target")).env("CARGO_TERM_COLOR", "never");
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        check.env_remove(variable);
    }
    let output = check.args(["check", "--quiet"]).output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let warned: Vec<_> = said.lines().filter(|line| line.starts_with("warning: use of deprecated")).collect();
    let wanted =
        ["the name ends in `total`", "`A` has no doc comment", "the name ends in its unit, `seconds`: write `unit = \"s\"`"];
    assert_eq!(warned.len(), wanted.len(), "{said}");
    for wanted in wanted {
        assert!(warned.iter().any(|line| line.contains(wanted)), "{wanted}: {said}");
    }
    assert!(said.contains("src/lib.rs:3:17") && said.contains("src/lib.rs:6:17"), "under the names alone: {said}");
}
