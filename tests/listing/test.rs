//! What `inc` compiles to in its caller: the instructions of its hot path, counted against a limit and listed in `listing.txt`.
//!
//! The hot path goes from the entry to `ret`, which is not counted, and calls nothing of this project. What `__tls_get_addr` does
//! is not counted either, its call is. The text is compared where the compiler is the one that it was written with;
//! `TELEMETRY_REGENERATE=1 cargo test -p listing` writes it.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use rustc_demangle::demangle;

/// One way to build a caller.
struct Build {
    what: &'static str,
    name: &'static str,
    function: &'static str,
    arguments: &'static [&'static str],
    limit: usize,
}

const BUILDS: [Build; 3] = [
    Build {
        what: "in a library crate",
        name: "library",
        function: "listing_library_inc",
        arguments: &["--lib", "--config=profile.release.lto=false"],
        limit: 9,
    },
    Build {
        what: "in an executable",
        name: "executable",
        function: "listing_executable_inc",
        arguments: &["--bin=listing_executable", "--config=profile.release.lto=false"],
        limit: 6,
    },
    Build {
        what: "in an executable with fat LTO",
        name: "lto",
        function: "listing_executable_inc",
        arguments: &["--bin=listing_executable", "--config=profile.release.lto='fat'"],
        limit: 5,
    },
];

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn inc_takes_no_more_instructions_than_its_limit() {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        println!("skipped: the limits and the listing are those of x86_64 Linux");
        return;
    }
    let title = format!("What `inc` compiles to with {}: the hot path without its `ret`, written by test.rs.", compiler());
    let mut listing = format!("{title}\n");
    let mut beyond = Vec::new();
    for build in &BUILDS {
        let assembly = assembly(build);
        let body = body(&assembly, build.function);
        let way = way(&body, 0).unwrap_or_else(|| panic!("no way through {}: {body:#?}", build.function));
        writeln!(listing, "\n{}, {}: {} instructions, at most {}", build.function, build.what, way.len(), build.limit).unwrap();
        way.iter().for_each(|line| writeln!(listing, "    {}", readable(line)).unwrap());
        if way.len() > build.limit {
            beyond.push(build.what);
        }
    }
    let path = Path::new(FOLDER).join("listing.txt");
    if std::env::var_os("TELEMETRY_REGENERATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, &listing).expect("listing.txt can be written");
    }
    assert!(beyond.is_empty(), "more instructions than the limit {beyond:?}\n{listing}");
    let committed = std::fs::read_to_string(&path).expect("listing.txt is beside this file");
    if committed.lines().next() == Some(&title) {
        assert!(committed == listing, "listing.txt is old: run `TELEMETRY_REGENERATE=1 cargo test -p listing`\n{listing}");
    } else {
        println!("skipped: the text was not compared, listing.txt is of another compiler\n{listing}");
    }
}

fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").current_dir(FOLDER).output().expect("rustc starts");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Builds a caller and gives what the compiler made of its crate; with LTO, of the whole program.
fn assembly(build: &Build) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("listing");
    let file = target.join(build.name).with_extension("s");
    let status = Command::new(env!("CARGO"))
        .args(["rustc", "--quiet", "--offline", "--release", "--config=profile.release.codegen-units=1"])
        .args(["--config=profile.release.debug=false", "--target-dir"])
        .arg(target)
        .args(build.arguments)
        .args(["--", "-Cllvm-args=--x86-asm-syntax=intel"])
        .arg(format!("--emit=asm={}", file.display()))
        .current_dir(FOLDER)
        .env("CARGO_ENCODED_RUSTFLAGS", "") // instead of the flags of whoever runs the test
        .status()
        .expect("cargo starts");
    assert!(status.success(), "cargo rustc {:?}: {status}", build.arguments);
    std::fs::read_to_string(file).expect("the assembly is where it was asked for")
}

/// The labels and instructions of a function.
fn body<'a>(assembly: &'a str, function: &str) -> Vec<&'a str> {
    let entry = format!("{function}:");
    let lines = assembly.lines().skip_while(|line| *line != entry).skip(1).take_while(|line| !line.contains(".cfi_endproc"));
    let code = lines.map(|line| line.split('#').next().unwrap_or(line).trim()); // comments
    let padded = code.map(|line| line.trim_start_matches("data16").trim_start_matches("rex64").trim());
    padded.filter(|line| !line.is_empty() && (!line.starts_with('.') || line.ends_with(':'))).collect()
}

/// The instructions from here to `ret` where none calls or leads elsewhere; the longer where a jump has two such ways.
fn way<'a>(body: &[&'a str], from: usize) -> Option<Vec<&'a str>> {
    let mut instructions = Vec::new();
    for (at, line) in body.iter().enumerate().skip(from).filter(|(_, line)| !line.ends_with(':')) {
        let (mnemonic, operand) = line.split_once('\t').unwrap_or((line, ""));
        if mnemonic == "ret" {
            return Some(instructions);
        }
        instructions.push(*line);
        // Onward alone, so that a loop is no way.
        let jump = || way(body, (at..body.len()).find(|&at| body[at].strip_suffix(':') == Some(operand))?);
        let rest = match mnemonic {
            "ud2" => None,
            "call" if !operand.contains("__tls_get_addr") => None,
            "jmp" => jump(),
            _ if mnemonic.starts_with('j') => [jump(), way(body, at + 1)].into_iter().flatten().max_by_key(Vec::len),
            _ => continue,
        };
        instructions.extend(rest?);
        return Some(instructions);
    }
    None
}

/// Symbols by their path, up to what the compiler made within it; labels without their number.
fn readable(instruction: &str) -> String {
    let ends = |c: char| !c.is_alphanumeric() && !"_$.".contains(c);
    let readable = |piece: &str| {
        let (word, end) = piece.split_at(piece.find(ends).unwrap_or(piece.len()));
        let path = format!("{:#}", demangle(word));
        let path = path.split("::{").next().unwrap_or_default();
        let path = if path.starts_with(".L") { path.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_') } else { path };
        format!("{path}{}", end.replace('\t', " "))
    };
    instruction.split_inclusive(ends).map(readable).collect()
}
