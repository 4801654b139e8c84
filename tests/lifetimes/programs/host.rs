//! Loads the library whose path is the second argument, and records in it and beside it in the way that the first names.

mod forking;
mod instruments;

use std::ffi::{CString, c_void};
use std::sync::Barrier;
use std::thread;

use forking::child;
use instruments::{record, recorded};

type Record = extern "C" fn(u64);
type Recorded = extern "C" fn() -> u64;

struct Plugin {
    library: *mut c_void,
    record: Record,
    recorded: Recorded,
}

fn open(path: &CString) -> Plugin {
    // SAFETY: the path is text that ends with a zero, and the library has no constructor that asks for more.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!library.is_null(), "it opens");
    let symbol = |name: &std::ffi::CStr| {
        // SAFETY: the library is open, and the name ends with a zero.
        let symbol = unsafe { libc::dlsym(library, name.as_ptr()) };
        assert!(!symbol.is_null(), "it has {name:?}");
        symbol
    };
    let (record, recorded) = (symbol(c"life_plugin_record"), symbol(c"life_plugin_recorded"));
    // SAFETY: these are the types that the library defines them with.
    let (record, recorded) =
        unsafe { (std::mem::transmute::<*mut c_void, Record>(record), std::mem::transmute::<*mut c_void, Recorded>(recorded)) };
    Plugin { library, record, recorded }
}

/// Whether the library is in memory.
fn is_loaded(path: &CString) -> bool {
    // SAFETY: as in `open`; it is not loaded where it is not, and closed again where it is.
    unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
        !library.is_null() && libc::dlclose(library) == 0
    }
}

fn close(plugin: &Plugin) {
    // SAFETY: it was opened once more than it was closed.
    assert_eq!(unsafe { libc::dlclose(plugin.library) }, 0);
}

/// What the plugin says, asked by a thread that leaves nothing behind.
fn told(plugin: &Plugin) -> u64 {
    let recorded = plugin.recorded;
    thread::scope(|scope| scope.spawn(move || recorded()).join().expect("it ends"))
}

/// Records in both, in four threads that end before the library is closed and in four that end after.
fn outlive(path: &CString) {
    let plugin = open(path);
    let recording = plugin.record;
    let both = move || {
        for _ in 0..1_000 {
            record();
            recording(2);
        }
    };
    let (done, closed) = (Barrier::new(5), Barrier::new(5));
    let outlive = || {
        both();
        done.wait();
        closed.wait();
    };
    let counted = thread::scope(|scope| {
        let ended: Vec<_> = (0..4).map(|_| scope.spawn(both)).collect();
        ended.into_iter().for_each(|thread| thread.join().expect("it records and ends"));
        let alive: Vec<_> = (0..4).map(|_| scope.spawn(outlive)).collect();
        done.wait();
        let counted = told(&plugin);
        close(&plugin);
        closed.wait();
        alive.into_iter().for_each(|thread| thread.join().expect("it ends after the library was closed"));
        counted
    });
    println!("{} {counted}", recorded());
}

/// Loads and closes it three times; all threads that used it have ended when it is closed. Then it forks.
fn reload(path: &CString) {
    for _ in 0..3 {
        let plugin = open(path);
        let recording = plugin.record;
        let both = move || {
            record();
            recording(500);
        };
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(both)).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("it records and ends"));
        let counted = told(&plugin);
        assert!(child(10, || told(&plugin) == 0 && recorded() == "0"), "both begin at zero in the child of a fork");
        close(&plugin);
        println!("{counted}, {}", if is_loaded(path) { "kept" } else { "unloaded" });
    }
    println!("fork: {}", child(10, || recorded() == "0"));
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let path = CString::new(arguments[1].as_str()).expect("a path");
    match arguments[0].as_str() {
        "outlive" => outlive(&path),
        "reload" => reload(&path),
        other => unreachable!("{other}"),
    }
}
