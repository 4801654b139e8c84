//! Delivering messages in order, and keeping the place.
//!
//! With a place and an output file each message is in the file exactly once: the place remembers how much of the file is its own,
//! it is saved after the file was written, and what a killed client wrote beyond it is cut off by the next one.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::CliError;
use super::args::Keep;
use super::line::{gap, line};
use super::output::note;
use super::target::Target;
use crate::client::{Client, ClientError, GapReason, Message, Place, Pull, PullOptions, Pulled};
use crate::limits::STREAMS_PER_CONNECTION_MAX;
use crate::stream::METRICS;

/// The wait before another attempt to connect.
const RETRY: Duration = Duration::from_millis(500);

/// Between two looks for streams that are new.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Following requests on one connection, which leaves room for another one.
const PULLS_PER_CONNECTION: usize = STREAMS_PER_CONNECTION_MAX as usize - 1;

/// Where messages go, and where their reader stands.
pub struct Reader {
    json: bool,
    place: Place,
    path: Option<PathBuf>,
    output: Option<File>,
}

impl Reader {
    pub fn open(keep: &Keep, json: bool) -> Result<Self, CliError> {
        let mut place = keep.place.as_ref().map_or_else(|| Ok(Place::default()), Place::load)?;
        let output = match (&keep.output, &keep.place) {
            (Some(output), Some(path)) => Some(continued(output, path, &mut place)?),
            (None, Some(path)) => {
                if let Some(output) = &place.output {
                    // What is printed now would be missing in it for good.
                    let text = format!("{} is the place of {}: wanted --output with it", path.display(), output.display());
                    return Err(CliError::Other(text));
                }
                place.save(path)?; // a place that cannot be kept is told before anything is printed
                None
            }
            _ => None,
        };
        Ok(Self { json, place, path: keep.place.clone(), output })
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Prints messages whose place is not kept.
    pub fn print(&mut self, stream: &str, messages: &[Message]) -> Result<(), CliError> {
        let mut text = Vec::new();
        for message in messages {
            line(&mut text, self.json, stream, None, message)?;
        }
        self.write(&text)
    }

    /// Writes what was pulled, then moves the place behind it.
    pub fn deliver(&mut self, pulled: &Pulled) -> Result<(), CliError> {
        let mut text = Vec::new();
        match pulled {
            Pulled::Messages { stream, session, messages, .. } => {
                for message in messages {
                    line(&mut text, self.json, stream, Some((session, message.at)), message)?;
                }
            }
            Pulled::Gap { stream, session, from, to, messages_before, reason } => {
                if *reason == GapReason::Restarted {
                    note(&format!(
                        "telemetry: the program restarted: the session changed to {session}, \"{stream}\" starts afresh"
                    ));
                } else {
                    let reason = reason.as_str();
                    note(&format!("telemetry: a gap in \"{stream}\": {from} to {to} is {reason}, up to message {messages_before}"));
                }
                if self.json {
                    gap(&mut text, stream, session, (*from, *to), *messages_before, reason.as_str())?;
                }
            }
        }
        self.write(&text)?;
        pulled.keep(&mut self.place);
        if let Some(path) = &self.path {
            if self.output.is_some() {
                self.place.output_bytes = Some(self.place.output_bytes.unwrap_or(0) + text.len() as u64);
            }
            self.place.save(path)?;
        }
        Ok(())
    }

    fn write(&mut self, text: &[u8]) -> Result<(), CliError> {
        if let Some(file) = &mut self.output {
            file.write_all(text)?;
            file.sync_data()?;
        } else {
            let mut out = io::stdout().lock();
            out.write_all(text)?;
            out.flush()?;
        }
        Ok(())
    }
}

/// Opens the output at the end of what the place says is its own, and cuts what a killed client wrote beyond it.
fn continued(output: &Path, path: &Path, place: &mut Place) -> Result<File, CliError> {
    let told = |error: io::Error| CliError::Other(format!("{}: {error}", output.display()));
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(output).map_err(told)?;
    let output = output.canonicalize().map_err(told)?;
    let found = file.metadata().map_err(told)?.len();
    let kept = match (&place.output, place.output_bytes) {
        (Some(other), _) if *other != output => {
            let text = format!("{} is the place of {}, not of {}", path.display(), other.display(), output.display());
            return Err(CliError::Other(text));
        }
        (Some(_), Some(kept)) => kept,
        _ => found,
    };
    if found < kept {
        let text = format!("{}: it has {found} bytes, the place wants {kept}: it was cut or changed", output.display());
        return Err(CliError::Other(text));
    }
    file.set_len(kept).map_err(told)?;
    file.seek(SeekFrom::End(0)).map_err(told)?;
    // Saved before anything is written: what is written from here on is known to be ours, whenever this client ends.
    (place.output, place.output_bytes) = (Some(output), Some(kept));
    place.save(path)?;
    Ok(file)
}

/// Follows one stream, or all, and connects again when the connection breaks.
pub async fn follow(target: Target, name: Option<&str>, mut reader: Reader) -> Result<(), CliError> {
    let mut told = false;
    let mut connected = false;
    loop {
        let ended = match target.connect().await {
            Ok(client) => {
                (told, connected) = (false, true);
                match name {
                    Some(name) => follow_one(&client, name, &mut reader).await,
                    None => follow_all(&target, &client, &mut reader).await,
                }
            }
            Err(error) => Err(error),
        };
        match ended {
            // The first attempt must succeed: an address that is wrong does not become right.
            Err(CliError::Client(error)) if connected && error.is_disconnected() => {
                if !told {
                    note(&format!("telemetry: {error}: trying again"));
                    told = true;
                }
            }
            Ok(()) if !told => note("telemetry: the program ended the stream: trying again"),
            Ok(()) => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn follow_one(client: &Client, name: &str, reader: &mut Reader) -> Result<(), CliError> {
    let name = spelt(client, name).await?;
    let mut pull = client.pull(&name, reader.place(), PullOptions { head: true, follow: true, ..PullOptions::default() }).await?;
    while let Some(pulled) = pull.next().await? {
        reader.deliver(&pulled)?;
    }
    Ok(())
}

/// Leases one stream and prints what comes, until the lease ends.
pub async fn watch(client: &Client, name: &str, every: Option<Duration>, lasts: Duration, json: bool) -> Result<(), CliError> {
    let mut lease = client.lease(name, every, Some(lasts)).await?;
    let mut reader = Reader::open(&Keep::default(), json)?;
    let (name, place) = (lease.name().to_owned(), lease.place());
    let mut pull = client.pull(&name, &place, PullOptions { head: true, follow: true, ..PullOptions::default() }).await?;
    loop {
        tokio::select! {
            pulled = pull.next() => match pulled? {
                Some(pulled) => reader.deliver(&pulled)?,
                None => return Ok(()),
            },
            ended = lease.ended() => {
                ended?;
                note(&format!("telemetry: the lease of \"{name}\" has ended"));
                return Ok(());
            }
        }
    }
}

/// Follows every stream, as it comes: one request a stream, on as many connections as that takes.
async fn follow_all(target: &Target, client: &Client, reader: &mut Reader) -> Result<(), CliError> {
    let (sender, mut pulled) = mpsc::channel(1);
    let mut following = Following::default();
    loop {
        let looked = look(target, client, reader.place(), &mut following, &sender).await;
        match looked {
            // A program that stops closes the idle connection first; what its streams still bring decides.
            Err(CliError::Client(error)) if error.is_disconnected() && !following.pulls.is_empty() => {}
            looked => looked?,
        }
        let looked = Instant::now();
        while looked.elapsed() < LOOK_EVERY {
            tokio::select! {
                Some(pulled) = pulled.recv() => reader.deliver(&pulled?)?,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                Some(_) = following.pulls.join_next() => {
                    if following.pulls.is_empty() {
                        // The program has ended all streams: what was passed on by now is the rest.
                        while let Ok(pulled) = pulled.try_recv() {
                            reader.deliver(&pulled?)?;
                        }
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// The streams that are followed, and the connections that it takes.
#[derive(Default)]
struct Following {
    names: HashSet<String>,
    clients: Vec<Client>,
    pulls: JoinSet<()>,
}

/// Begins to follow the streams that are new.
async fn look(
    target: &Target,
    client: &Client,
    place: &Place,
    following: &mut Following,
    sender: &mpsc::Sender<Result<Pulled, ClientError>>,
) -> Result<(), CliError> {
    for descriptor in client.streams().await? {
        let name = stream_name(descriptor);
        if following.names.contains(&name) {
            continue;
        }
        if following.names.len() >= following.clients.len() * PULLS_PER_CONNECTION {
            following.clients.push(target.connect().await?);
        }
        let Some(client) = following.clients.last() else { continue };
        let pull = client.pull(&name, place, PullOptions { head: true, follow: true, ..PullOptions::default() }).await?;
        following.pulls.spawn(pass_on(pull, sender.clone()));
        following.names.insert(name);
    }
    Ok(())
}

/// Passes on what one pull brings, until it ends.
async fn pass_on(mut pull: Pull, sender: mpsc::Sender<Result<Pulled, ClientError>>) {
    while let Some(pulled) = pull.next().await.transpose() {
        let ended = pulled.is_err();
        if sender.send(pulled).await.is_err() || ended {
            return;
        }
    }
}

/// The name as the program spells it: a place knows a stream by one name only. One that is unknown stays, to be refused.
pub async fn spelt(client: &Client, name: &str) -> Result<String, CliError> {
    let mut names = client.streams().await?.into_iter().map(stream_name);
    Ok(names.find(|found| found.eq_ignore_ascii_case(name)).unwrap_or_else(|| name.to_owned()))
}

fn stream_name(descriptor: crate::pb::StreamDescriptor) -> String {
    match descriptor.stream_type.and_then(|kind| kind.r#type) {
        Some(crate::pb::stream_type::Type::Event(event)) => event.name,
        _ => METRICS.to_owned(),
    }
}
