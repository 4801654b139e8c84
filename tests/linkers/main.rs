//! What linkers and profiles do to declarations, as a table: how many are registered in an executable, an example and a loaded library,
//! whether the link fails where two crates declare one name, and only there, and what becomes of a static library in a program in C.
//!
//! Every profile is compiled once; `linker` is in the place of cargo's linker. It ends with 1 where something is not as it is wanted.

mod linker;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::Instant;
use std::{env, fs};

use linker::{INTO, LINKERS, Linked, Linker, cc};

/// The profiles of the fixtures, with the folders that cargo builds them into.
const PROFILES: [(&str, &str); 5] =
    [("dev", "debug"), ("release", "release"), ("thin", "thin"), ("fat", "fat"), ("small", "small")];

/// What both crates of the program `duplicate` declare: in the crate's root, in a module, and in a function.
const DUPLICATES: [&str; 3] = ["left_counter", "left_deep", "left_within"];

/// What a static library needs of the system.
const NATIVE: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

/// Lines that are printed of what is not as it is wanted. Cargo says the command of a linker, and all linkers' errors are alike.
const WRONG_LINES_MAX: usize = 20;

/// Another architecture's assembler is to take what a declaration has for one.
const FOREIGN: &str = "aarch64-unknown-linux-gnu";

fn main() -> ExitCode {
    if let Some(into) = env::var_os(INTO) {
        return linker::link(Path::new(&into), &env::args().skip(1).collect::<Vec<_>>());
    }
    let began = Instant::now();
    let mut matrix = Matrix::new();
    let present: Vec<_> = LINKERS.iter().filter(|linker| matrix.has(linker)).collect();
    columns(COLUMNS.map(str::to_owned));
    let chosen: Vec<_> = env::args().skip(1).collect(); // none are all
    for profile in PROFILES.iter().filter(|(name, _)| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name)) {
        matrix.profile(profile, &present);
    }
    matrix.once();
    println!("{} s", began.elapsed().as_secs());
    for wrong in &matrix.wrong {
        println!("\nnot as wanted: {}", wrong.lines().take(WRONG_LINES_MAX).collect::<Vec<_>>().join("\n"));
    }
    ExitCode::from(u8::from(!matrix.wrong.is_empty()))
}

/// What the columns tell. The last two are of a program in C with a static library: linked as usual, and linked whole.
const COLUMNS: [&str; 9] =
    ["linker", "profile", "executable", "example", "loaded", "duplicate", "false alarms", "in C", "in C, whole"];

fn columns([linker, profile, executable, example, loaded, duplicate, alarms, c, whole]: [String; 9]) {
    println!("{linker:18}  {profile:7}  {executable:10}  {example:7}  {loaded:6}  {duplicate:10}  {alarms:12}  {c:13}  {whole}");
}

/// The fixtures, and what was found.
struct Matrix {
    fixtures: PathBuf,
    target: PathBuf,
    wrong: Vec<String>,
}

impl Matrix {
    fn new() -> Self {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let lock = fixtures.join("../../../Cargo.lock");
        fs::copy(lock, fixtures.join("Cargo.lock")).expect("the versions that the library is tested with");
        let program = env::current_exe().expect("it is a file");
        let target = program.ancestors().nth(2).expect("cargo's folder").join("linkers");
        Self { fixtures, target, wrong: Vec::new() }
    }

    fn cargo(&self, command: &str, arguments: &[&str]) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(&self.fixtures).arg(command).arg("--target-dir").arg(&self.target).args(arguments);
        cargo.env_remove("CARGO_INCREMENTAL").env("CARGO_TERM_COLOR", "never"); // as people build
        cargo
    }

    /// Links these with all linkers, and returns what cargo says.
    fn linked(&self, profile: &str, into: &Path, arguments: &[&str]) -> String {
        let linker = format!("target.'cfg(unix)'.linker={:?}", env::current_exe().expect("it is a file"));
        let mut cargo = self.cargo("build", &["--quiet", "--keep-going", "--profile", profile, "--config", &linker]);
        said(&cargo.args(arguments).env(INTO, into).output().expect("cargo runs"))
    }

    /// Prints a row for each linker.
    fn profile(&mut self, (profile, folder): &(&str, &str), linkers: &[&Linker]) {
        let into = self.target.join("linked").join(profile);
        fs::remove_dir_all(&into).ok(); // there is none the first time
        let clean = self.cargo("clean", &["--quiet", "--profile", profile]).args(PACKAGES).arg("-pduplicate").status();
        assert!(clean.expect("cargo runs").success(), "it cleans");
        let built = Built {
            good: self.linked(profile, &into, &[&PACKAGES[..], &["--bin", "good", "--lib", "--example", "one"]].concat()),
            duplicate: self.linked(profile, &into, &["-p", "duplicate"]),
            library: self.target.join(folder).join("libarchive.a"),
        };
        for linker in linkers {
            let linked = Linked::new(&into, linker);
            let mut version = linked.version().unwrap_or_else(|| linker.name.to_owned());
            if linker.choice.is_none() {
                version = format!("rustc's {version}");
            }
            let mut cells = vec![version, (*profile).to_owned()];
            cells.extend(self.row(linker, &cells.join(", "), &linked, &built));
            columns(cells.try_into().expect("as many as there are columns"));
        }
    }

    /// What there is to say of one linker, behind its name and the profile, which `row` is.
    fn row(&mut self, linker: &Linker, row: &str, linked: &Linked, built: &Built) -> Vec<String> {
        let mut wrong = |what: &str, told: &str| self.wrong.push(format!("{row}, {what}: {told}"));
        let host = told(&linked.file("good"), &[linked.file("libplugin.so")], &[linked.said("good"), built.good.clone()]);
        let example = told(&linked.file("one"), &[], &[linked.said("one"), built.good.clone()]);
        let (good, plugin) = host.split_once("\nplugin").map_or((&*host, &*host), |(good, _)| (good, &host[good.len() + 1..]));
        let mut cells = Vec::new();
        for (what, told) in [("executable", good), ("example", &example), ("loaded library", plugin)] {
            let registered = Registered::new(told);
            if !registered.is_all() {
                wrong(what, told);
            }
            cells.push(registered.0);
        }
        let (cell, unfound) = duplicate(linked, &built.duplicate);
        if let Some(told) = unfound {
            wrong("duplicate", &told);
        }
        cells.push(cell.to_owned());
        let quiet = [good, &example, plugin].iter().all(|told| told.contains(": valid"));
        cells.push(if quiet { "none" } else { "THERE ARE" }.to_owned());
        for whole in [false, true] {
            let Some(choice) = linker.choice else {
                cells.push("-".to_owned()); // a C compiler does not use it
                continue;
            };
            let told = in_c(&self.fixtures, linked, choice, &built.library, whole);
            let registered = Registered::new(&told);
            if whole && !registered.is_all() {
                wrong("static library, linked whole", &told);
            }
            let validated = match (registered.is_all(), registered.1) {
                (true, _) => "",
                (false, true) => " unseen",
                (false, false) => " refused",
            };
            cells.push(registered.0 + validated);
        }
        cells
    }

    /// What does not depend on the linker.
    fn once(&mut self) {
        let tests = self.cargo("test", &["-p", "under"]).output().expect("cargo runs");
        self.line("a crate under test beside its copy, and two examples in its documentation with one name", &tests);
        let example = self.cargo("run", &["--quiet", "-p", "good", "--example", "two"]).output().expect("cargo runs");
        self.line("a second example with the same names", &example);
        let foreign = Command::new("rustc").args(["--print", "target-libdir", "--target", FOREIGN]).output().expect("rustc runs");
        if !Path::new(String::from_utf8_lossy(&foreign.stdout).trim()).is_dir() {
            println!("skipped: the standard library for {FOREIGN} is not there");
            if env::var_os("TELEMETRY_REQUIRE_SERVERS").is_some() {
                self.wrong.push(format!("the standard library for {FOREIGN} is not there"));
            }
            return;
        }
        let object = self.target.join("left.o"); // stays where nothing changed
        let emit = format!("--emit=obj={}", object.display());
        let mut assembled = self.cargo("rustc", &["-p", "left", "--target", FOREIGN, "--", "-Ccodegen-units=1", &emit]);
        let assembled = assembled.output().expect("cargo runs");
        self.line(&format!("assembled for {FOREIGN}"), &assembled);
        let bytes = fs::read(&object).unwrap_or_default();
        for name in DUPLICATES {
            let symbol = symbol(name);
            if !bytes.windows(symbol.len()).any(|window| window == symbol.as_bytes()) {
                self.wrong.push(format!("{}: there is no {symbol:?}", object.display()));
            }
        }
    }

    fn line(&mut self, what: &str, output: &Output) {
        println!("{what}: {}", if output.status.success() { "ok" } else { "FAILED" });
        if !output.status.success() {
            self.wrong.push(format!("{what}: {}", said(output)));
        }
    }

    /// Whether there is such a linker.
    fn has(&mut self, linker: &Linker) -> bool {
        let has = linker.choice.is_none_or(|choice| linker::version(&[choice.to_owned()]).is_some());
        if !has {
            println!("skipped: there is no {}", linker.name);
            if env::var_os("TELEMETRY_REQUIRE_SERVERS").is_some() {
                self.wrong.push(format!("there is no {}", linker.name));
            }
        }
        has
    }
}

/// What is linked well; `duplicate` is not.
const PACKAGES: [&str; 6] = ["-p", "good", "-p", "plugin", "-p", "archive"];

/// What cargo said of the programs of one profile, and the static library.
struct Built {
    good: String,
    duplicate: String,
    library: PathBuf,
}

/// The symbol that a program can have once.
fn symbol(name: &str) -> String {
    format!("two declarations have one name: {name}")
}

/// All that a program said.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)).trim_end().to_owned()
}

/// What a program says when it runs; where there is none, the first that is not empty of what was said when it was made.
fn told(program: &Path, arguments: &[PathBuf], making: &[String]) -> String {
    if !program.is_file() {
        return format!("is not linked: {}", making.iter().find(|said| !said.is_empty()).map_or("", String::as_str));
    }
    Command::new(program).args(arguments).output().map_or_else(|error| error.to_string(), |output| said(&output))
}

/// Of `WHO: REGISTERED/EXPECTED: valid`, the middle, and whether validation says so.
struct Registered(String, bool);

impl Registered {
    fn new(told: &str) -> Self {
        let mut parts = told.split(": ");
        let registered = parts.nth(1).filter(|part| part.chars().all(|c| c.is_ascii_digit() || c == '/')).unwrap_or("FAILED");
        Self(registered.to_owned(), parts.next().is_some_and(|said| said.starts_with("valid")))
    }

    fn is_all(&self) -> bool {
        self.1 && self.0.split_once('/').is_some_and(|(found, expected)| found == expected)
    }
}

/// Who found the duplicates: the linker, or the compiler where it optimises the whole program at once, from which the linker gets nothing
/// then; and, where not all were found, what was said.
fn duplicate(linked: &Linked, cargo: &str) -> (&'static str, Option<String>) {
    let program = linked.file("duplicate");
    if program.is_file() {
        let told = told(&program, &[], &[]);
        let cell = if told.contains("declared twice") { "AT START" } else { "NOT FOUND" };
        return (cell, Some(format!("it is linked: {told}")));
    }
    let linking = linked.said("duplicate");
    let (cell, said) = if linking.is_empty() { ("found (LTO)", cargo) } else { ("found", &*linking) };
    let unfound: Vec<_> = DUPLICATES.into_iter().filter(|name| !said.contains(&symbol(name))).collect();
    if unfound.is_empty() { (cell, None) } else { ("NOT ALL", Some(format!("nothing about {unfound:?}: {said}"))) }
}

/// What the static library says in a program in C.
fn in_c(fixtures: &Path, linked: &Linked, choice: &str, library: &Path, whole: bool) -> String {
    let program = linked.file(if whole { "whole" } else { "part" });
    let (main, library) = (fixtures.join("archive/main.c"), library.to_string_lossy());
    let library = if whole { format!("-Wl,--whole-archive,{library},--no-whole-archive") } else { library.into_owned() };
    let paths = [main.to_string_lossy().into_owned(), "-o".to_owned(), program.to_string_lossy().into_owned()];
    let linking =
        cc(&paths.into_iter().chain([choice.to_owned(), library]).chain(NATIVE.split(' ').map(str::to_owned)).collect::<Vec<_>>());
    told(&program, &[], &[said(&linking)])
}
