//! Programs that are not ours: whether they are there, waiting for them, and HTTP.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for any machine; a test that needs it has failed.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for a condition; it is an error when it does not come, with what was missing.
pub fn until<T>(deadline: Duration, mut condition: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match condition() {
            Ok(found) => return found,
            Err(missing) => assert!(began.elapsed() < deadline, "not within {deadline:?}: {missing}"),
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// HTTP GET; the body.
pub fn http(host: &str, path: &str) -> String {
    let (head, body) = get(host, path, "").expect("an answer");
    assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{head}");
    String::from_utf8(body).expect("text")
}

/// HTTP GET with more headers, each ended by `\r\n`; the head and the body.
pub fn get(host: &str, path: &str, headers: &str) -> io::Result<(String, Vec<u8>)> {
    let mut socket = TcpStream::connect(host)?;
    write!(socket, "GET {path} HTTP/1.0\r\nhost: {host}\r\n{headers}\r\n")?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((String::from_utf8_lossy(&answer[..end]).into_owned(), answer.split_off(end + 4)))
}

/// Whether a program is there; says "skipped" and why where it is not, and fails where all must be.
pub fn installed(program: &str, arguments: &[&str], install: &str) -> bool {
    let found = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) {
        return true;
    }
    let required = std::env::var_os("TELEMETRY_REQUIRE_SERVERS").is_some_and(|value| value == "1");
    assert!(!required, "{program} is required here: {install}");
    println!("skipped: {program} is not installed: {install}");
    false
}

/// The interpreter whose modules are those that the tests want.
pub fn python() -> String {
    std::env::var("TELEMETRY_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}
