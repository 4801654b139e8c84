//! The house: imports go downhill, and each outside world has its room.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file below, with its path relative to the folder.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).expect("below it").to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).expect("text")));
            }
        }
    }
    assert!(!found.is_empty(), "{} holds no Rust", folder.display());
    found
}

/// The modules of a crate in the order of its lib.rs.
fn modules(lib: &str) -> Vec<String> {
    let declared = lib.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    declared.map(|line| line.trim_end_matches(';').to_owned()).collect()
}

/// The code alone: what a comment names is no import.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn imports_within_a_crate_go_downhill() {
    for name in ["telemetry-core", "telemetry-exporter"] {
        let source = root().join(name).join("src");
        let order = modules(&fs::read_to_string(source.join("lib.rs")).expect("lib.rs"));
        assert!(order.len() > 10, "{order:?}");
        for (file, text) in files(&source) {
            let module = file.split(['/', '.']).next().unwrap_or_default().to_owned();
            let Some(own) = order.iter().position(|other| *other == module) else { continue };
            for (at, upper) in order.iter().enumerate().skip(own + 1) {
                let import = format!("crate::{upper}");
                let follows = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
                let found = code(&text).match_indices(&import).any(|(i, _)| follows(&code(&text)[i + import.len()..]));
                assert!(!found || module == "__private", "{name}/src/{file} (place {own}) imports {import} (place {at}) above it");
            }
        }
    }
}

/// Where words may appear: a crate, the words, and the files or folders that are their room.
const ROOMS: &[(&str, &[&str], &[&str])] = &[
    ("telemetry-core", &["opentelemetry"], &["otel/", "telemetry.rs", "lib.rs"]),
    ("telemetry-core", &["linkme::"], &["expand.rs", "registry.rs", "own.rs", "__private.rs"]),
    ("telemetry-core", &["std::net", "std::fs", "tokio"], &[]),
    (
        "telemetry-core",
        &["thread::Builder", "thread::spawn"],
        &["callback.rs", "thread/tests.rs", "thread/reader_tests.rs", "thread/model.rs"],
    ),
    ("telemetry-core", &["unsafe "], &["expand.rs", "clock.rs", "cell.rs", "row.rs", "thread/", "metric/family.rs"]),
    ("telemetry-core", &["libc"], &["clock.rs", "thread/fork.rs"]),
    ("telemetry-exporter", &["unsafe "], &[]),
    ("telemetry-macros", &["unsafe "], &["carets.rs"]),
    ("telemetry-exporter", &["TcpListener", "TcpStream", "UnixListener"], &["transport/"]),
    ("telemetry-exporter", &["socket2::", "h2::"], &["transport/"]),
    ("telemetry-exporter", &["UnixStream"], &["transport/", "client/connect.rs"]),
    (
        "telemetry-exporter",
        &["std::fs", "OpenOptions", "File::"],
        &[
            "access/",
            "catalogue/binary.rs",
            "catalogue/lock.rs",
            "client/connect.rs",
            "client/identity.rs",
            "client/place.rs",
            "cli/deliver.rs",
            "cli/token.rs",
            "credentials.rs",
            "pem.rs",
            "process/reading.rs",
            "stream/disk/device.rs",
            "stream/disk/folder.rs",
            "transport/tls.rs",
            "transport/unix.rs",
        ],
    ),
    ("telemetry-exporter", &["use nix", "\"/proc"], &["process/reading.rs"]),
    ("telemetry-exporter", &["RuntimeMetrics"], &["runtime.rs"]),
    ("telemetry-exporter", &["hyper_util::client", "httpdate"], &["push/"]),
    ("telemetry-exporter", &["flate2"], &["push/", "service/http.rs"]),
    ("telemetry-exporter", &["crc32c"], &["stream/disk/format", "stream/token.rs"]),
    ("telemetry-exporter", &["rustls"], &["pem.rs", "push/tls.rs", "push/http.rs", "transport/tls.rs"]),
    ("telemetry-exporter", &["opentelemetry_sdk"], &["sdk.rs", "sdk_tests.rs", "export.rs"]),
    ("telemetry-exporter", &["clap::"], &["cli/"]),
    ("telemetry-exporter", &["pb::prometheus"], &["prometheus/protobuf.rs"]),
    ("telemetry-macros", &["opentelemetry", "telemetry_exporter", "std::fs", "std::net"], &[]),
];

#[test]
fn each_outside_world_has_its_room() {
    for (name, words, rooms) in ROOMS {
        for (file, text) in files(&root().join(name).join("src")) {
            if rooms.iter().any(|room| file.starts_with(room)) {
                continue;
            }
            for word in *words {
                assert!(!code(&text).contains(word), "{name}/src/{file} names {word}, whose room is {rooms:?}");
            }
        }
    }
}

#[test]
fn every_variable_of_the_environment_that_is_read_is_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).expect("text");
    let mut found = 0;
    for file in ["telemetry-exporter/src/push/environment.rs", "telemetry-core/src/otel/resource.rs"] {
        let text = code(&fs::read_to_string(root().join(file)).expect("text"));
        let is_name = |word: &&str| word.len() > 3 && word.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
        for word in text.split('"').filter(is_name) {
            found += 1;
            let whole = [format!("`{word}`"), format!("`…_{word}`"), format!("_{word}_")]; // the last is a signal
            assert!(whole.iter().any(|word| readme.contains(word)), "README.md does not tell of {word}, which {file} reads");
        }
    }
    assert!(found > 15, "{found} variables");
}

#[test]
fn files_stay_readable() {
    for name in ["telemetry-core", "telemetry-exporter", "telemetry-macros"] {
        for (file, text) in files(&root().join(name).join("src")) {
            let generated = file.ends_with("generated.rs");
            assert!(generated || text.lines().count() <= 500, "{name}/src/{file} has {} lines", text.lines().count());
            assert!(generated || text.starts_with("//!"), "{name}/src/{file} does not open with what it is");
        }
    }
}
