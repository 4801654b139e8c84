//! What is declared, read from each kind of file that a build leaves, and what changed between two builds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

use crate::support::{root, telemetry_program};

/// Builds a library that declares a counter of this name, as all kinds of file; answers where they are.
fn built(crate_name: &str, metric: &str) -> PathBuf {
    let folder = root().join("target/builds").join(crate_name);
    let manifest = format!(
        "[workspace]\n[package]\nname = \"{crate_name}\"\nversion = \"1.2.3\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"rlib\", \"cdylib\", \"staticlib\"]\n\
         [dependencies]\ntelemetry-core = {{ path = \"{}\", default-features = false }}\n",
        root().join("telemetry-core").display()
    );
    let source = format!(
        "//! .\nuse telemetry_core::{{Counter, Labels, metric}};\n#[derive(Labels)]\npub enum Method {{ Get, Put }}\n\
         /// Calls.\n#[metric(name = \"{metric}\", unit = \"{{call}}\")]\npub static CALLS: Counter<Method>;\n\
         #[unsafe(no_mangle)]\npub extern \"C\" fn call() {{ CALLS.with(Method::Get).inc(); }}\n"
    );
    fs::create_dir_all(folder.join("src")).expect("a folder");
    fs::write(folder.join("Cargo.toml"), manifest).expect("written");
    fs::write(folder.join("src/lib.rs"), source).expect("written");
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("written");
    let target = root().join("target/builds/target"); // one for both: their dependencies are the same
    let mut cargo = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    cargo.current_dir(&folder).env("CARGO_TARGET_DIR", &target).env("CARGO_TERM_COLOR", "never");
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    let objects = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(crate_name));
    let old = fs::read_dir(target.join("debug/deps")).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    for object in old.filter(objects) {
        fs::remove_file(object).expect("removed"); // of an earlier run
    }
    let output = cargo.args(["rustc", "--quiet", "--", "--emit=link,obj"]).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("debug")
}

fn telemetry(arguments: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(telemetry_program()).arg("--json").args(arguments).output().expect("it runs");
    let json = serde_json::from_slice(&output.stdout);
    (output.status.code(), json.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr))))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn libraries_and_object_files_tell_what_they_declare_and_a_renamed_metric_is_named() {
    let debug = built("before", "calls_answered");
    let objects = fs::read_dir(debug.join("deps")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let object = objects.filter(|path| path.extension().is_some_and(|extension| extension == "o"));
    let object =
        object.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("before"))).find(|path| {
            let listed = Command::new(telemetry_program()).args(["list", text(path)]).output().expect("it runs");
            listed.status.success()
        });
    let files = [debug.join("libbefore.rlib"), debug.join("libbefore.so"), debug.join("libbefore.a")];
    for file in files.iter().chain(&object) {
        let (code, found) = telemetry(&["list", text(file)]);
        let records = found.as_array().expect("an array");
        let record = records.iter().find(|record| record["name"] == "calls_answered");
        let record = record.unwrap_or_else(|| panic!("{}: {found}", file.display()));
        let labels = serde_json::json!([{ "key": "method", "values": ["get", "put"] }]);
        assert_eq!((code, &record["labels"], &record["unit"]), (Some(0), &labels, &"{call}".into()), "{}", file.display());
        assert_eq!((&record["version"], &record["module"], &record["line"]), (&"1.2.3".into(), &"before".into(), &6.into()));
    }
    assert!(object.is_some(), "an object file has it");

    let renamed = built("after", "calls_replied").join("libafter.so");
    let (code, changes) = telemetry(&["diff", text(&files[1]), text(&renamed)]);
    let told: Vec<_> = changes.as_array().expect("an array").iter().map(|change| (&change["name"], &change["what"])).collect();
    let wanted = ["removed: counter", "added: counter"].map(Value::from);
    assert_eq!((code, &told[..]), (Some(1), &[(&"calls_answered".into(), &wanted[0]), (&"calls_replied".into(), &wanted[1])][..]));
}
