//! A library with instruments of its own, to be loaded at run time.

mod instruments;

/// Records so many times in each instrument.
// SAFETY: no other symbol of this name is in the libraries that the host has.
#[unsafe(no_mangle)]
pub extern "C" fn life_plugin_record(times: u64) {
    (0..times).for_each(|_| instruments::record());
}

/// How often they were recorded; the greatest number where they do not agree.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub extern "C" fn life_plugin_recorded() -> u64 {
    instruments::recorded().parse().unwrap_or(u64::MAX)
}
