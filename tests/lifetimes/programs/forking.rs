//! The child of a fork, which ends in time or is ended.

use std::os::fd::AsRawFd;

/// Forks; the child runs this and ends. Whether it said true, within so many seconds; one that needs them has failed.
///
/// A child that forks itself has more time than its own child, so that it can end that.
pub fn child(deadline_s: i32, run: impl FnOnce() -> bool) -> bool {
    let (reader, writer) = std::io::pipe().expect("a pipe, which its end closes");
    let mut end = libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut status = -1;
    // SAFETY: that the child may use more than the C library is what is tested; it ends without running what its parent left to be run
    // at the end. The numbers are the child's, and a descriptor and places that are there until the calls return.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(i32::from(!run()));
        }
        assert!(child > 0, "it forks");
        drop(writer);
        if libc::poll(&raw mut end, 1, deadline_s * 1_000) != 1 {
            println!("the child hangs");
            libc::kill(child, libc::SIGKILL);
        }
        libc::waitpid(child, &raw mut status, 0);
    }
    status == 0
}
