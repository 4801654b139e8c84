//! What `cargo check` of many declarations takes, beside as many plain statics of the same type, and what the parts of it take.
//!
//! `cargo run -p compile-time [-- --rounds N] [--many N]`. Each case is a crate of its own that is checked from nothing, its dependencies
//! apart, in rounds over all cases in turn. A row is the median; the column beside it is what the case takes above the one it adds to.

mod cases;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, ensure};
use cases::{CASES, Case};

const MANY: usize = 1_000;
const ROUNDS: usize = 5;

fn main() -> anyhow::Result<()> {
    let (mut many, mut rounds) = (MANY, ROUNDS);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let number = arguments.next().with_context(|| format!("{argument} wants a number"))?;
        let number = number.parse().ok().filter(|number| *number > 0);
        let number = number.with_context(|| format!("{argument} wants a number above zero"))?;
        match argument.as_str() {
            "--many" => many = number,
            "--rounds" => rounds = number,
            _ => anyhow::bail!("{argument} is not known: wanted --many or --rounds"),
        }
    }
    let house = house(many)?;
    check(&house, None)?; // the dependencies, once
    let mut times = vec![Vec::new(); CASES.len()];
    for _ in 0..rounds {
        for (case, times) in CASES.iter().zip(&mut times) {
            times.push(check(&house, Some(case))?);
        }
    }
    let median = |name: &str| {
        let at = CASES.iter().position(|case| case.name == name)?;
        let mut times: Vec<Duration> = times.get(at)?.clone();
        times.sort_unstable();
        times.get(times.len() / 2).map(Duration::as_secs_f64)
    };
    println!("{many} declarations, median of {rounds} rounds, seconds");
    println!("{:<12} {:>6} {:>7}  {:<10} what", "case", "takes", "above", "of");
    for case in CASES {
        let takes = median(case.name).context("it was measured")?;
        let above = case.adds_to.and_then(median).map_or_else(String::new, |base| format!("{:+.2}", takes - base));
        println!("{:<12} {takes:>6.2} {above:>7}  {:<10} {}", case.name, case.adds_to.unwrap_or_default(), case.what);
    }
    Ok(())
}

/// A workspace with a crate a case.
fn house(many: usize) -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let house = root.join("target/compile-time");
    let names: Vec<_> = CASES.iter().map(|case| format!("\"{}\"", case.name)).collect();
    write(&house.join("Cargo.toml"), &format!("[workspace]\nresolver = \"3\"\nmembers = [{}]\n", names.join(", ")))?;
    fs::copy(root.join("Cargo.lock"), house.join("Cargo.lock"))?;
    for case in CASES {
        let manifest = format!(
            "[package]\nname = \"{}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n\
             telemetry-core = {{ path = \"{}\", default-features = false }}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n",
            case.name,
            root.join("telemetry-core").display()
        );
        write(&house.join(case.name).join("Cargo.toml"), &manifest)?;
        let items: String = (0..many).map(|number| (case.item)(number)).collect();
        write(&house.join(case.name).join("src/lib.rs"), &format!("{}\n{items}", case.head))?;
    }
    Ok(house)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text).with_context(|| format!("{}", path.display()))
}

/// Checks one case from nothing, or all with what they depend on.
fn check(house: &Path, case: Option<&Case>) -> anyhow::Result<Duration> {
    let cargo = |arguments: &[&str]| -> anyhow::Result<()> {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(house).env("CARGO_TARGET_DIR", house.join("target")).args(arguments);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let begin: Vec<_> = said.lines().take(20).collect(); // each declaration may have the same to say
        ensure!(output.status.success(), "cargo {arguments:?}: {}", begin.join("\n"));
        Ok(())
    };
    let Some(case) = case else {
        cargo(&["check", "--quiet", "--workspace"])?;
        return Ok(Duration::ZERO);
    };
    cargo(&["clean", "--quiet", "-p", case.name])?;
    let began = Instant::now();
    cargo(&["check", "--quiet", "--offline", "-p", case.name])?;
    Ok(began.elapsed())
}
