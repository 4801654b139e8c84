//! The bounds of streams: of each, and of all together.

use std::time::Duration;

use telemetry_core::METRICS_STREAM;

use super::frame::FRAME_HEAD_BYTES;
use crate::limits;

/// The bounds of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// How long messages are kept.
    pub window: Duration,
    /// Bytes of sealed segments and the head together.
    pub bytes_max: usize,
    /// Bytes after which a segment is sealed. Where it is the default, that of the metrics stream is
    /// [`METRICS_SEGMENT_BYTES`](limits::METRICS_SEGMENT_BYTES), which are bytes of OTLP.
    pub segment_bytes: usize,
    /// The time after which a segment is sealed at the latest, or a quarter of the window where that is less: what is not sealed does not expire.
    pub seal_after: Duration,
    /// Bytes of one message.
    pub message_bytes_max: usize,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            window: limits::WINDOW,
            bytes_max: limits::STREAM_BYTES_MAX,
            segment_bytes: limits::SEGMENT_BYTES,
            seal_after: limits::SEAL_AFTER,
            message_bytes_max: limits::MESSAGE_BYTES_MAX,
        }
    }
}

/// What is other for some streams than for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamBounds {
    /// How long messages are kept.
    pub window: Option<Duration>,
    /// Bytes of sealed segments and the head together.
    pub bytes_max: Option<usize>,
    /// Bytes after which a segment is sealed; of the metrics stream, bytes of OTLP.
    pub segment_bytes: Option<usize>,
    /// The time after which a segment is sealed at the latest.
    pub seal_after: Option<Duration>,
    /// Bytes of one message.
    pub message_bytes_max: Option<usize>,
}

/// The bounds of all streams.
///
/// ```
/// use std::time::Duration;
/// use telemetry_exporter::{Config, StreamBounds};
///
/// let mut config = Config::default();
/// // An hour of what bitswap does, but of its blocks a minute.
/// config.bounds.of("libp2p_bitswap_*", StreamBounds { window: Some(Duration::from_secs(3600)), ..Default::default() });
/// config.bounds.of("libp2p_bitswap_blocks", StreamBounds { window: Some(Duration::from_secs(60)), ..Default::default() });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of all streams together, with what their messages need beside themselves.
    pub bytes_max: usize,
    named: Vec<(String, StreamBounds)>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes_max: limits::ALL_STREAMS_BYTES_MAX, named: Vec::new() }
    }
}

impl Bounds {
    /// Sets bounds of the stream of this name, or where it ends in `*` of all streams whose name begins so, without regard to case. Of two that match, the
    /// longer name wins, bound by bound, and one without `*` wins over all; of the same name the later.
    pub fn of(&mut self, name: impl Into<String>, bounds: StreamBounds) -> &mut Self {
        self.named.push((name.into(), bounds));
        self
    }

    /// The names for which something is set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|(name, _)| name.as_str())
    }

    /// The bounds of one stream, where these are those of all.
    pub fn resolve(&self, all: &StreamOptions, name: &str) -> StreamOptions {
        let begins = |prefix: &str| name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
        let rank = |pattern: &str| match pattern.strip_suffix('*') {
            Some(prefix) => begins(prefix).then_some(prefix.len()),
            None => pattern.eq_ignore_ascii_case(name).then_some(usize::MAX),
        };
        let mut matching: Vec<_> = self.named.iter().filter_map(|(pattern, bounds)| Some((rank(pattern)?, bounds))).collect();
        matching.sort_by_key(|(rank, _)| *rank); // a stable sort: the later of one rank is behind the earlier
        let (mut options, mut sized) = (all.clone(), None);
        for (_, StreamBounds { window, bytes_max, segment_bytes, seal_after, message_bytes_max }) in matching {
            options.window = window.unwrap_or(options.window);
            options.bytes_max = bytes_max.unwrap_or(options.bytes_max);
            sized = segment_bytes.or(sized);
            options.seal_after = seal_after.unwrap_or(options.seal_after);
            options.message_bytes_max = message_bytes_max.unwrap_or(options.message_bytes_max);
        }
        let usual = match all.segment_bytes {
            limits::SEGMENT_BYTES if name == METRICS_STREAM => limits::METRICS_SEGMENT_BYTES,
            segment_bytes => segment_bytes,
        };
        options.segment_bytes = sized.unwrap_or(usual.min(options.bytes_max)); // a size that nobody set gives way
        options
    }
}

impl StreamOptions {
    /// # Errors
    /// The first bound that cannot be, by its name, with what is wanted.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let Self { window, bytes_max, segment_bytes, seal_after, message_bytes_max } = *self;
        for (name, value) in [("window", window), ("seal_after", seal_after)] {
            if value.is_zero() {
                return Err(format!("{name} is zero: wanted a time above zero"));
            }
        }
        let least = message_bytes_max.saturating_add(FRAME_HEAD_BYTES);
        if bytes_max < least {
            return Err(format!(
                "bytes_max is {bytes_max}: wanted at least {least}, one message and its frame, or a smaller message_bytes_max"
            ));
        }
        for (name, value, most) in [
            ("message_bytes_max", message_bytes_max, limits::MESSAGE_BYTES_MAX),
            ("segment_bytes", segment_bytes, limits::SEGMENT_BYTES_MAX.min(bytes_max)),
        ] {
            if value == 0 || value > most {
                return Err(format!("{name} is {value}: wanted 1 to {most}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(seconds: u64) -> StreamBounds {
        StreamBounds { window: Some(Duration::from_secs(seconds)), ..StreamBounds::default() }
    }

    #[test]
    fn the_nearest_bound_wins_one_by_one() {
        let mut bounds = Bounds::default();
        bounds.of("Net_Peer", window(1)).of("net_*", window(2)).of("*", window(3)).of("net_p*", window(4));
        bounds.of("net_p*", StreamBounds { bytes_max: Some(9), ..StreamBounds::default() });
        bounds.of("*", StreamBounds { bytes_max: Some(8), seal_after: Some(Duration::from_secs(5)), ..StreamBounds::default() });
        let of = |name| {
            let options = bounds.resolve(&StreamOptions::default(), name);
            (options.window.as_secs(), options.bytes_max, options.seal_after.as_secs())
        };
        assert_eq!(of("net_peer"), (1, 9, 5));
        assert_eq!(of("net_peers"), (4, 9, 5));
        assert_eq!(of("net_x"), (2, 8, 5));
        assert_eq!(of("ne"), (3, 8, 5));
        assert_eq!(Bounds::default().resolve(&StreamOptions::default(), "x"), StreamOptions::default());
    }

    #[test]
    fn segments_of_metrics_are_longer_unless_a_size_is_set() {
        let of = |all: &StreamOptions, bounds: &Bounds| bounds.resolve(all, METRICS_STREAM).segment_bytes;
        let mut bounds = Bounds::default();
        assert_eq!(of(&StreamOptions::default(), &bounds), limits::METRICS_SEGMENT_BYTES);
        assert_eq!(of(&StreamOptions { segment_bytes: 77, ..StreamOptions::default() }, &bounds), 77);
        bounds.of("*", StreamBounds { bytes_max: Some(9_999), ..StreamBounds::default() });
        assert_eq!(of(&StreamOptions::default(), &bounds), 9_999);
        bounds.of(METRICS_STREAM, StreamBounds { segment_bytes: Some(66), ..StreamBounds::default() });
        assert_eq!(of(&StreamOptions::default(), &bounds), 66);
    }
}
