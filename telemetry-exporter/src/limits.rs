//! Every bound of this crate, with its unit, its reason and what happens when it bites.

use std::time::Duration;

/// Between two collections, unless the configuration says otherwise.
pub const COLLECT_EVERY: Duration = Duration::from_secs(15);

/// How long a sealed segment is kept after its newest message. Older ones are dropped; their messages count as dropped, and a late
/// reader gets a gap.
pub const WINDOW: Duration = Duration::from_secs(30 * 60);

/// Bytes of one stream. The oldest segments are dropped beyond it; their messages count as dropped, and a late reader gets a gap.
pub const STREAM_BYTES_MAX: usize = 8 << 20;

/// Bytes of one message. A larger one is rejected, and counted in `telemetry_stream_messages_rejected`.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Bytes after which a segment is sealed. One message may make it larger.
pub const SEGMENT_BYTES: usize = 256 << 10;

/// The same of the metrics stream, in bytes of the OTLP that is made of it: its segments begin with all values, and say of the others what
/// changed, so longer ones are smaller.
pub const METRICS_SEGMENT_BYTES: usize = SEGMENT_BYTES_MAX;

/// Bytes of all streams together, with what their messages need beside themselves. The oldest segment of any is dropped beyond it; its messages
/// count as dropped, and a late reader gets a gap. It is looked at when a segment is sealed, and at each [`TICK`].
pub const ALL_STREAMS_BYTES_MAX: usize = 64 << 20;

/// Messages that one collection takes on the metrics stream. What is beyond is rejected, and counted in
/// `telemetry_stream_messages_rejected`.
pub const LANES_MAX: usize = 1 << 12;

/// Bytes of what is constant of the messages of one segment of the metrics stream, where it is read, with the room of the points that
/// change their length: of those of one collection and of layouts that changed within the segment; and bytes of the OTLP that is made of a
/// segment. A segment of a file that has more is malformed.
pub const RESTORED_BYTES_MAX: usize = SEGMENT_BYTES_MAX + 2 * MESSAGE_BYTES_MAX;

/// Layouts of the metrics stream that are kept as what is other of the one before. The next is kept whole.
pub const TEMPLATE_CHAIN_MAX: usize = 32;

/// Bytes of what is constant of the messages of one layout, in a file: those of a message, and of the places in it.
pub const TEMPLATE_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// The most that a segment's size may be set to: a client must be able to take one in an answer.
pub const SEGMENT_BYTES_MAX: usize = 1 << 20;

/// The time after which a segment is sealed at the latest, by appending or by the tick.
pub const SEAL_AFTER: Duration = Duration::from_secs(5 * 60);

/// Bytes of all files of sessions that are over and of the present one, unless the settings say otherwise. The oldest file is removed
/// beyond it, and counted in `telemetry_disk_files_removed`.
pub const DISK_BYTES_MAX: u64 = 64 << 20;

/// The least that the bytes of all files may be set to.
pub const DISK_BYTES_MIN: u64 = 1 << 20;

/// Bytes after which a file is sealed: an eighth of all, but at least so many.
pub const DISK_FILE_BYTES_MIN: u64 = 64 << 10;

/// The most bytes after which a file is sealed. One pass over the streams may make it larger.
pub const DISK_FILE_BYTES_MAX: u64 = 8 << 20;

/// Between two syncs of files, unless the settings say otherwise, and between two attempts after an error.
pub const DISK_INTERVAL: Duration = Duration::from_millis(500);

/// How long an emission waits for its record to be synced, where it is to wait. It returns then, and is counted in
/// `telemetry_disk_waits_ended`.
pub const DISK_WAIT_MAX: Duration = Duration::from_secs(1);

/// Bytes of the text of an error of the disk that are kept.
pub const DISK_ERROR_BYTES_MAX: usize = 1 << 10;

/// Sessions that are over whose messages are read when the next begins: the newest. Of more the files stay, until they are removed to stay
/// within the bytes of all.
pub const PAST_SESSIONS_MAX: usize = 16;

/// Streams of one session that are read from files. What is of a further one is counted as malformed.
pub const RECOVERED_STREAMS_MAX: usize = 1 << 12;

/// Bytes of what is constant of the metrics of one session that are read from files, at a time. A layout beyond it is counted as malformed,
/// and messages that need it are told as lost.
pub const RECOVERED_TEMPLATES_BYTES_MAX: usize = 64 << 20;

/// Bytes of one file that is read. A larger one is damaged: no writer writes one.
pub const DISK_FILE_READ_BYTES_MAX: u64 = 64 << 20;

/// The most that may lie between two syncs of files.
pub const DISK_INTERVAL_MAX: Duration = Duration::from_secs(60 * 60);

/// How long a stop waits for the last write to files. A disk that does not answer is left behind, with the thread that waits for it, and
/// counted in `telemetry_disk_failures`.
pub const DISK_STOP_DEADLINE: Duration = STOP_DEADLINE;

/// Sessions that are over whose files stay. The oldest are removed beyond it, and each file counted in `telemetry_disk_files_removed`.
pub const DISK_SESSIONS_MAX: usize = 256;

/// Bytes of messages of which a reader that asked for the last of each step may not need all. The oldest are sent beyond it.
pub const THINNED_BYTES_MAX: usize = 4 << 20;

/// Readers that asked for the last of each step and gather messages of which they may not need all, at a time: each holds up to [`THINNED_BYTES_MAX`] and what was read with it.
/// A further one waits until one of them tells something.
pub const GATHERING_READERS_MAX: usize = 4;

/// Between two looks at all streams for segments to seal and to drop, and at the snapshots that are due: the shortest interval
/// that a snapshot can keep.
pub const TICK: Duration = Duration::from_millis(250);

/// Connections at a time, on all transports together, unless the settings say otherwise. A further one takes the place of one that asks nothing, or does not take
/// what it asked for, and has done so the longest, or else of one of a [`CROWD`]; otherwise it is closed, and counted in `telemetry_requests_refused`.
pub const CONNECTIONS_MAX: usize = 64;

/// How many times as many connections as another a client must have that makes room for it, where all of them ask something: its newest is closed, and
/// counted in `telemetry_connections_ended`.
pub const CROWD: usize = 4;

/// The same of one client: an address, a peer, or all who come over a Unix socket. Following all streams of a program of some hundred takes so many.
pub const CONNECTIONS_PER_CLIENT_MAX: usize = 16;

/// Connections at a time that have not said yet what they speak, unless the settings say otherwise. The oldest of the client that has most of
/// them is closed beyond it, and counted in `telemetry_connections_ended`.
pub const CONNECTIONS_WAITING_MAX: usize = 256;

/// Connections over TCP that the system keeps until they are accepted, where it lets so many. It tells the clients of further ones to try again, a second later.
pub const ACCEPT_BACKLOG: i32 = 1 << 10;

/// Bytes that are read of one connection before others have their turn: some hundred of the smallest frames.
pub const TURN_BYTES: usize = 4 << 10;

/// How long a connection may ask nothing, unless the settings say otherwise. It is closed then, and counted in `telemetry_connections_ended`.
pub const IDLE_DEADLINE: Duration = Duration::from_secs(5 * 60);

/// How long what waits to be read on a connection may wait without progress, unless the settings say otherwise. It is closed then, and counted in
/// `telemetry_connections_ended`. Progress is [`PROGRESS_BYTES`] that were read, or the last of an answer.
pub const PROGRESS_DEADLINE: Duration = Duration::from_secs(30);

/// The most that a deadline of serving may be set to.
pub const DEADLINE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Requests a second of one client, unless the settings say otherwise. A further one is refused with RESOURCE_EXHAUSTED, by HTTP with 429, and
/// counted in `telemetry_requests_refused`.
pub const REQUESTS_PER_SECOND_MAX: u32 = 1_000;

/// Clients whose rate is known: those whose requests of a second are not all there again. While there are so many, requests of further ones are refused, and counted in
/// `telemetry_requests_refused`.
pub const CLIENTS_REMEMBERED_MAX: usize = 1_024;

/// Bytes of answers that wait to be read, and of requests that are not whole, of all clients together, unless the settings say otherwise. Beyond it what is large waits
/// with being made, and connections are closed whose bytes have waited for [`SLOW_AFTER`], the slowest first; where there are a quarter as many bytes again, also those
/// that have more than an even share, the largest first. They are counted in `telemetry_connections_ended`.
pub const HELD_BYTES_MAX: usize = 8 << 20;

/// How long a piece has waited to be read of a connection that is slow.
pub const SLOW_AFTER: Duration = Duration::from_secs(1);

/// How long a client is remembered of which a connection was ended that did not take what it asked for: those who did come first meanwhile.
pub const MARKED_FOR: Duration = Duration::from_secs(10);

/// Bytes that the answer of an rpc is taken to have until it is known.
pub const RPC_ANSWER_BYTES: usize = 256 << 10;

/// How long a connection waits for a place where all are taken. It is closed then, and counted in `telemetry_requests_refused`.
pub const PLACE_WITHIN: Duration = Duration::from_secs(5);

/// Bytes that the system holds of a TCP connection beyond what it may send now.
pub const UNSENT_BYTES_MAX: u32 = 128 << 10;

/// How long nothing was read of a connection that makes room for another, though something waits to be.
pub const UNREAD_AFTER: Duration = Duration::from_millis(100);

/// Bytes of an answer that are made whatever waits to be read.
pub const ANSWER_BYTES_SMALL: usize = 16 << 10;

/// Bytes of an answer whose reading is progress.
pub const PROGRESS_BYTES: usize = 128 << 10;

/// Between two looks at connections that ask nothing or read nothing.
pub const SWEEP_EVERY: Duration = Duration::from_millis(250);

/// Leases at a time, of all clients together, unless the settings say otherwise. A further one is refused with RESOURCE_EXHAUSTED, and counted in
/// `telemetry_requests_refused`.
pub const LEASES_MAX: usize = 32;

/// The same of one client.
pub const LEASES_PER_CLIENT_MAX: usize = 8;

/// How long a lease lasts where a client does not say.
pub const LEASE: Duration = Duration::from_secs(5 * 60);

/// The longest lease. A client that wants more asks again.
pub const LEASE_MAX: Duration = Duration::from_secs(60 * 60);

/// Between two collections, or two snapshots of one kind, that a lease asks for which does not say how often.
pub const LEASE_EVERY: Duration = Duration::from_secs(1);

/// The shortest time between two collections, or two snapshots of one kind, that a lease may ask for.
pub const LEASE_EVERY_MIN: Duration = TICK;

/// Tokens that a service takes at most.
pub const TOKENS_MAX: usize = 256;

/// Bytes of a file of tokens at most.
pub const TOKENS_FILE_BYTES_MAX: u64 = 1 << 20;

/// Bytes of a file of certificates or of a key at most.
pub const PEM_FILE_BYTES_MAX: u64 = 1 << 20;

/// Letters of a token at least: 22 of 64 are 132 bits.
pub const TOKEN_LETTERS_MIN: usize = 22;

/// The same of one that is hexadecimal.
pub const TOKEN_HEX_LETTERS_MIN: usize = 32;

/// Letters of a token at most.
pub const TOKEN_LETTERS_MAX: usize = 512;

/// Different letters of a token at least.
pub const TOKEN_DIFFERENT_MIN: usize = 8;

/// Between two looks at the files of certificates and tokens, whether they have changed.
pub const RELOAD_EVERY: Duration = Duration::from_secs(5);

/// Between two looks whether who follows a stream still may: a token may be withdrawn, or be past its time.
pub const JUDGED_EVERY: Duration = Duration::from_secs(5);

/// Requests at a time on one connection, unless the settings say otherwise. A further one waits, as HTTP/2 has it.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 8;

/// Bytes of one HTTP/2 frame that is accepted, and of the head of an HTTP/1 request, unless the settings say otherwise; and of what waits to be sent on one request.
/// A connection with a larger one is closed, and counted in `telemetry_connections_ended`.
pub const FRAME_BYTES_MAX: u32 = 64 << 10;

/// Bytes of requests that are received on one connection before they are looked at.
pub const RECEIVED_BYTES_MAX: u32 = 64 << 10;

/// Bytes of one request, unless the settings say otherwise. A larger one is refused with OUT_OF_RANGE.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// How long TLS and the first words of a connection, or the head of an HTTP/1 request, may take before it is closed, unless the settings say otherwise; a silent
/// HTTP/2 connection is asked whether it lives as often.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// How long a graceful stop waits for the requests that are under way.
pub const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// How long the end of the service's threads waits for what blocks them, such as a callback that never returns. That is left behind.
pub const THREADS_DEADLINE: Duration = Duration::from_millis(100);

/// How long a scrape waits for the first collection of the OpenTelemetry SDK, which it causes: the deadlines of all callbacks, and some
/// more. Beyond it a scrape has no resource, and nothing that was recorded through OpenTelemetry's API.
pub const FIRST_SCRAPE_DEADLINE: Duration = Duration::from_secs(3);

/// How long one rpc may take, unless the settings say otherwise. The caller gets DEADLINE_EXCEEDED beyond it.
pub const RPC_DEADLINE: Duration = Duration::from_secs(30);

/// Between two questions of a client whether a silent connection lives, and the time for the answer.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Rpcs at a time, all together, unless the settings say otherwise. A further one is refused with RESOURCE_EXHAUSTED, and counted in `telemetry_requests_refused`.
pub const RPCS_MAX: usize = 16;

/// Bytes of messages after which one answer of a pull ends, with the message that takes it there. So much is read, or made of metrics, when there
/// is room on the connection for the next answer. HTTP/2 holds two of them where the client is slow, and the answer itself nothing.
pub const PIECE_BYTES: usize = 64 << 10;

/// Bytes of what a stream keeps of the segments that its readers of metrics are in the middle of: what changed up to there, of 1,000 series some
/// 0.1 MiB a reader, and the messages that one of the last of each step holds back. Beyond it what was left the longest ago goes, and who does not
/// find it takes in its segment anew: less than the work of sending it. Who would leave more than half of it leaves nothing, and reads its step anew for each answer.
pub const RESTING_BYTES_MAX: usize = 4 << 20;

/// Requests at a time that read metrics, unless the settings say otherwise. HTTP/2 holds two answers for one whose client is slow: each has [`PIECE_BYTES`] and a message,
/// so 0.3 MiB of 1,000 series, and 2 MiB where messages are as large as they may be; of `GetStream` each is a segment. A further one is refused
/// with RESOURCE_EXHAUSTED, and counted in `telemetry_requests_refused`.
pub const METRICS_READERS_MAX: usize = 128;

/// The same of one client.
pub const METRICS_READERS_PER_CLIENT_MAX: usize = METRICS_READERS_MAX / 4;

/// How long a following reader's news are gathered before they are sent.
pub const FOLLOW_EVERY: Duration = Duration::from_millis(20);

/// Between two attempts at a snapshot that nobody provides yet.
pub const SNAPSHOT_RETRY: Duration = Duration::from_secs(1);

/// Bytes of a bandwidth test's payload, unless the client says otherwise.
pub const BANDWIDTH_BYTES: u32 = 32 << 20;

/// Bytes of a bandwidth test's payload at most. A larger one is refused with the rate 0.
pub const BANDWIDTH_BYTES_MAX: u32 = 128 << 20;

/// Between two bandwidth tests of one peer, and of one public address, in one direction. An earlier one is refused with the rate 0.
pub const BANDWIDTH_EVERY: Duration = Duration::from_secs(5 * 60);

/// How long one bandwidth test may take.
pub const BANDWIDTH_DEADLINE: Duration = Duration::from_secs(60);

/// Bandwidth tests that have not said their size yet, at a time. A further stream is closed, and counted in `telemetry_requests_refused`.
pub const BANDWIDTH_WAITING_MAX: usize = 64;

/// The same of one peer.
pub const BANDWIDTH_WAITING_PER_PEER_MAX: usize = 2;

/// Bandwidth tests at a time. A further one is refused with the rate 0, and counted in `telemetry_requests_refused`.
pub const BANDWIDTH_TESTS_MAX: usize = 4;

/// Last tests that are remembered, one a peer and direction, and one a public address and direction. While all are recent, further tests
/// are refused.
pub const BANDWIDTH_REMEMBERED_MAX: usize = 1_024;

/// Bytes of a file with a peer's key that are read: of a longer one the rest is cut, and it is no key then.
pub const IDENTITY_BYTES_MAX: u64 = 4 << 10;

/// Streams that peers have opened and that wait to be taken. A further one is closed, and counted in `telemetry_requests_refused`.
pub const INBOUND_STREAMS_MAX: usize = 64;

/// Scrapes of `/metrics` at a time. A further one waits.
pub const SCRAPES_MAX: usize = 2;

/// Properties of which is remembered how large and how slow they were. Beyond it that is forgotten of all.
pub const PROPERTIES_REMEMBERED_MAX: usize = 1 << 12;

/// How long a property takes that is slow: the next time it is evaluated apart, so that who asks for others does not wait for it.
pub const PROPERTY_SLOW_AFTER: Duration = Duration::from_millis(20);

/// Calls of one rpc at a time, unless the settings say otherwise. A further one is refused with RESOURCE_EXHAUSTED, and counted in `telemetry_requests_refused`: an rpc
/// that hangs takes no more threads than this, and no other rpc with it.
pub const RPC_CALLS_MAX: usize = 4;

/// Bytes of the answer of an rpc, and of the value of a property. A larger one is an error that says so.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Bytes of one answer that a client takes without having read them: what a request of it holds at the most where its program is slow.
pub const CLIENT_STREAM_WINDOW_BYTES: u32 = 2 << 20;

/// The same of a whole connection: all requests that it may have, and one more, so that answers that nobody reads do not hold up another.
pub const CLIENT_WINDOW_BYTES: u32 = (STREAMS_PER_CONNECTION_MAX + 1) * CLIENT_STREAM_WINDOW_BYTES;

/// Bytes of one HTTP/2 frame that a client takes: an answer of [`PIECE_BYTES`] is one write of the server then.
pub const CLIENT_FRAME_BYTES: u32 = 128 << 10;

/// How long a client waits for a connection.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Classic buckets that an exponential histogram is shown to Prometheus with, on both sides of zero together. Each is a series there;
/// neighbours are merged beyond it, two, four and so on into one, so that nothing but resolution is lost.
pub const CLASSIC_BUCKETS_MAX: usize = 40;

/// Letters of all label names and values of one exemplar, by OpenMetrics. The attributes are left out beyond it, and the ids of trace
/// and span remain.
pub const EXEMPLAR_LETTERS_MAX: usize = 128;

/// Bytes of the messages that one request to a collector holds, before compression: a quarter of the 4 MiB that a collector takes by
/// default, since a log record may be larger than its JSON. One message may make it larger. What does not fit goes into the next.
pub const PUSH_REQUEST_BYTES: usize = 1 << 20;

/// How long one request to a collector may take, with the connection, unless the settings say otherwise. It is tried again then.
pub const PUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request may take at the most: what a timeout of 0 in the environment, which means none, stands for.
pub const PUSH_TIMEOUT_MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// Between a request that failed and the next attempt, the first time. It doubles with each further failure.
pub const PUSH_BACKOFF: Duration = Duration::from_secs(1);

/// The most that the time between two attempts grows to. Half of it is random.
pub const PUSH_BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The longest wait that a collector may ask for, the shortest being that after a failure. A longer one is this one: what waits would fall out of its stream anyway.
pub const PUSH_THROTTLE_MAX: Duration = WINDOW;

/// Between two looks for new events to push: they travel together.
pub const PUSH_EVENTS_EVERY: Duration = Duration::from_secs(1);

/// How long a stop waits for collectors to take what is left, beside the connections of clients. What is left then is counted in
/// `telemetry_push_messages_dropped`, and told by the error of the stop.
pub const PUSH_STOP_DEADLINE: Duration = STOP_DEADLINE;

/// Series that a pusher of deltas remembers: each the encoded names and attributes, some 0.2 KiB, and the buckets of histograms. Points
/// of further ones are left out, and counted in `telemetry_push_points_dropped`. Those that were not collected for as long as [`WINDOW`]
/// make room.
pub const PUSH_SERIES_MAX: usize = 1 << 16;

/// Levels of an event's JSON that become values of their own in a log record: decoders of protobuf stop at 100, and each level takes
/// three. What is nested deeper is sent as its JSON text.
pub const PUSH_EVENT_DEPTH_MAX: usize = 24;

/// Bytes of a collector's answer that are read. Of a larger one only the status counts.
pub const PUSH_ANSWER_BYTES_MAX: usize = 64 << 10;

/// Bytes of a failure's text that are kept.
pub const PUSH_ERROR_BYTES_MAX: usize = 1 << 10;
