//! The linkers, and this program in the place of one: what rustc has it link, it links once with each of them.
//!
//! So a program is compiled once for all of them. That a linker fails is noted, and is no failure of the build unless all do.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::{env, fs};

/// The environment variable with the folder to link into, where this program is to be a linker.
pub const INTO: &str = "LINKERS_INTO";

/// What links.
pub struct Linker {
    /// The name of its folder, and of what is missing.
    pub name: &'static str,
    /// What tells the C compiler to use it; none is what rustc tells it by itself.
    pub choice: Option<&'static str>,
}

/// All of them.
pub const LINKERS: [Linker; 5] = [
    Linker { name: "rustc", choice: None },
    Linker { name: "bfd", choice: Some("-fuse-ld=bfd") },
    Linker { name: "gold", choice: Some("-fuse-ld=gold") },
    Linker { name: "lld", choice: Some("-fuse-ld=lld") },
    Linker { name: "mold", choice: Some("-fuse-ld=mold") },
];

/// What one linker made of the programs of one profile.
pub struct Linked(PathBuf);

impl Linked {
    /// Where a linker's are.
    pub fn new(into: &Path, linker: &Linker) -> Self {
        Self(into.join(linker.name))
    }

    /// What the linker calls itself; none where it linked nothing.
    pub fn version(&self) -> Option<String> {
        fs::read_to_string(self.0.join("version")).ok()
    }

    /// The program or library, whether it is there or not.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What the linker said about it; nothing where it was not asked.
    pub fn said(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(format!("{name}.log"))).unwrap_or_default()
    }
}

/// Links as rustc says, with each linker.
pub fn link(into: &Path, arguments: &[String]) -> ExitCode {
    let done = |output: &Output| {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        ExitCode::from(u8::from(!output.status.success()))
    };
    if env::var_os("CARGO_PRIMARY_PACKAGE").is_none() {
        return done(&cc(arguments)); // a build script or a macro
    }
    let at = arguments.iter().position(|argument| argument == "-o").expect("rustc names its output") + 1;
    let output = Path::new(&arguments[at]);
    let name = output.file_name().expect("a file").to_string_lossy();
    let name = name.split('-').next().expect("it begins with the name, and cargo's hash follows");
    let (own, rest): (Vec<String>, Vec<String>) = arguments.iter().cloned().partition(|argument| chooses(argument));
    let mut last = None;
    for linker in &LINKERS {
        let choice = linker.choice.map_or_else(|| own.clone(), |choice| vec![choice.to_owned()]);
        let Some(version) = version(&choice) else { continue };
        let linked = Linked::new(into, linker);
        fs::create_dir_all(&linked.0).expect("a folder");
        fs::write(linked.0.join("version"), version).expect("it writes");
        let file = linked.file(name);
        let to =
            |argument: &String| if argument == &arguments[at] { file.to_string_lossy().into_owned() } else { argument.clone() };
        let result = cc(&rest.iter().map(to).chain(choice).collect::<Vec<_>>());
        fs::write(linked.0.join(format!("{name}.log")), &result.stderr).expect("it writes");
        if result.status.success() {
            fs::copy(&file, output).expect("cargo gets one of them");
        }
        last = Some(result).filter(|_| !output.exists());
    }
    last.as_ref().map_or(ExitCode::SUCCESS, done)
}

/// Whether it is what rustc tells the C compiler to use rustc's own linker.
fn chooses(argument: &str) -> bool {
    argument.starts_with("-fuse-ld=") || (argument.starts_with("-B") && argument.ends_with("gcc-ld"))
}

/// What the linker that is chosen so calls itself, without what stands in parentheses; none where there is no such linker.
pub fn version(choice: &[String]) -> Option<String> {
    let output = cc(&[choice, &["-Wl,--version".to_owned()]].concat());
    let said = String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned();
    let parts: Vec<_> = said.split(['(', ')']).step_by(2).map(str::trim).collect();
    Some(parts.join(" ").trim().to_owned()).filter(|_| output.status.success())
}

/// Runs the C compiler.
pub fn cc(arguments: &[String]) -> Output {
    Command::new("cc").args(arguments).output().expect("there is a C compiler")
}
