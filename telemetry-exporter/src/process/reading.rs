//! One reading of the process: `getrusage`, and `/proc` where there is one.
//!
//! Invariant: each number is that of the whole process. `/proc/self/status` tells context switches of the main thread alone, so they
//! come from `getrusage`, which also keeps those of threads that have ended.

/// Two numbers of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Two<N>(pub N, pub N);

/// What is known of the process at one moment.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// User, system.
    pub cpu_seconds: Option<Two<f64>>,
    /// Voluntary, involuntary.
    pub context_switches: Option<Two<u64>>,
    /// Minor, major.
    pub faults: Option<Two<u64>>,
    /// Read, written.
    pub disk_bytes: Option<Two<u64>>,
    pub resident_bytes: Option<u64>,
    pub virtual_bytes: Option<u64>,
    pub threads: Option<u64>,
    pub file_descriptors: Option<u64>,
    pub uptime_seconds: Option<f64>,
}

impl Reading {
    /// Reads all that this system tells.
    pub fn take() -> Self {
        #[allow(unused_mut)] // elsewhere nothing is known
        let mut reading = Self::default();
        #[cfg(unix)]
        reading.add_usage();
        #[cfg(target_os = "linux")]
        reading.add_proc();
        reading
    }

    #[cfg(unix)]
    fn add_usage(&mut self) {
        use std::ffi::c_long;

        use nix::sys::resource::{UsageWho, getrusage};
        use nix::sys::time::{TimeVal, TimeValLike};
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return };
        let seconds = |time: TimeVal| time.num_microseconds() as f64 / 1e6;
        let two = |first: c_long, second: c_long| Some(Two(u64::try_from(first).ok()?, u64::try_from(second).ok()?));
        self.cpu_seconds = Some(Two(seconds(usage.user_time()), seconds(usage.system_time())));
        self.context_switches = two(usage.voluntary_context_switches(), usage.involuntary_context_switches());
        self.faults = two(usage.minor_page_faults(), usage.major_page_faults());
    }

    #[cfg(target_os = "linux")]
    fn add_proc(&mut self) {
        use std::fs::read_to_string;
        if let Ok(status) = read_to_string("/proc/self/status") {
            self.resident_bytes = field(&status, "VmRSS:").and_then(kibibytes);
            self.virtual_bytes = field(&status, "VmSize:").and_then(kibibytes);
            self.threads = field(&status, "Threads:").and_then(|text| text.parse().ok());
        }
        if let Ok(io) = read_to_string("/proc/self/io") {
            let bytes = |name| field(&io, name)?.parse().ok();
            self.disk_bytes = bytes("read_bytes:").zip(bytes("write_bytes:")).map(|(read, written)| Two(read, written));
        }
        self.file_descriptors = file_descriptors();
        self.uptime_seconds = read_to_string("/proc/self/stat").ok().and_then(|stat| uptime_seconds(&stat));
    }
}

/// What stands behind a name at the start of a line.
#[cfg(target_os = "linux")]
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// `1760 kB` in bytes.
#[cfg(target_os = "linux")]
fn kibibytes(text: &str) -> Option<u64> {
    text.strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Since Linux 6.2 the size of the folder is how many there are; before, it is zero, and they are counted one by one.
#[cfg(target_os = "linux")]
fn file_descriptors() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    match std::fs::metadata(FOLDER).ok()?.len() {
        0 => u64::try_from(std::fs::read_dir(FOLDER).ok()?.count()).ok()?.checked_sub(1), // but the folder's own
        count => Some(count),
    }
}

/// From the start that `/proc/self/stat` tells, in ticks since the boot, until now.
#[cfg(target_os = "linux")]
fn uptime_seconds(stat: &str) -> Option<f64> {
    use nix::time::{ClockId, clock_gettime};
    use nix::unistd::{SysconfVar, sysconf};
    let (_, behind_the_name) = stat.rsplit_once(')')?; // which may hold spaces and parentheses itself
    let started: u64 = behind_the_name.split_whitespace().nth(STARTED)?.parse().ok()?;
    let ticks_per_second = sysconf(SysconfVar::CLK_TCK).ok()??;
    let now = std::time::Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?);
    Some((now.as_secs_f64() - started as f64 / ticks_per_second as f64).max(0.0))
}

/// Where in `/proc/self/stat` the start is, behind the name: proc_pid_stat(5) has it as field 22, and the name as 2.
#[cfg(target_os = "linux")]
const STARTED: usize = 22 - 3;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_the_end_of_a_name_moves_no_field() {
        let stat = std::fs::read_to_string("/proc/self/stat").expect("this is Linux");
        let (_, rest) = stat.rsplit_once(')').expect("a name");
        let plain = uptime_seconds(&format!("1 (x){rest}")).expect("it has a start");
        let odd = uptime_seconds(&format!("1 (x) S 1 (){rest}")).expect("it has a start");
        assert!(odd >= plain && odd - plain < 3600.0, "{odd} {plain}");
    }

    #[test]
    fn what_a_file_does_not_say_is_absent() {
        assert_eq!(field("VmRSS:\t 1760 kB\n", "VmRSS:").and_then(kibibytes), Some(1760 * 1024));
        assert_eq!(field("VmRSS:\t 1760 kB\n", "VmSize:").and_then(kibibytes), None);
        assert_eq!(field("VmRSS:\t 1760 MB\n", "VmRSS:").and_then(kibibytes), None);
        assert_eq!(kibibytes(&format!("{} kB", u64::MAX)), None);
        assert_eq!(uptime_seconds("1 (x) S 1"), None);
    }
}
