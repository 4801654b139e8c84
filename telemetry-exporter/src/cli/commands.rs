//! What each command asks and prints.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::CliError;
use super::args::{Args, Command, Span};
use super::binaries;
use super::deliver::{self, Reader};
use super::files;
use super::output::{labels, one_line, print, table, value};
#[cfg(feature = "libp2p")]
use super::peers;
use super::target::Target;
use super::token;
use crate::client::{Client, PullOptions, view};
use crate::json;
use crate::pb::{self, stream_type};
use crate::stream::METRICS;

pub async fn run(args: Args) -> Result<(), CliError> {
    let json = args.json;
    match &args.command {
        Command::List { binary, markdown } => return binaries::list(binary, json, *markdown),
        Command::Diff { old, new } => return binaries::diff(old, new, json),
        Command::Check { binary, lock, package } => return binaries::check(binary, lock.as_deref(), package.as_deref(), json),
        Command::Dashboard { binary, title, datasource } => {
            return binaries::grafana(binary, title.as_deref(), datasource.as_deref());
        }
        Command::Dump { path, stream } => return files::dump(path, stream.as_deref(), json),
        Command::Verify { path } => return files::verify(path, json),
        Command::Token { file, name, lasts } => return token::make(file.as_deref(), name.as_deref(), *lasts, json),
        #[cfg(feature = "libp2p")]
        Command::Identity { file } => return peers::identity(file, json),
        _ => {}
    }
    let target = Target::of(&args)?;
    let client = match &args.command {
        #[cfg(feature = "libp2p")]
        Command::Bandwidth { bytes } => return peers::bandwidth(&target, *bytes, json).await,
        Command::Follow { name, keep } => return deliver::follow(target, name.as_deref(), Reader::open(keep, json)?).await,
        _ => target.connect().await?,
    };
    match &args.command {
        Command::Session => {
            let session = client.session().await?;
            print(json, &json!({ "session": session }), |out| writeln!(out, "{session}"))
        }
        Command::Properties { names } => properties(&client, names, json).await,
        Command::Streams => streams(&client, json).await,
        Command::Catalogue => catalogue(&client, json).await,
        Command::Schema { name } => schema(&client, name).await,
        Command::Rpcs => rpcs(&client, json).await,
        Command::Call { name, request } => {
            let answer = client.call(name, request).await?;
            let parsed = serde_json::from_str(&answer).map_err(|error| CliError::Other(format!("the answer: {error}")))?;
            print(json, &parsed, |out| writeln!(out, "{parsed:#}"))
        }
        Command::Watch { name, every, lasts } => deliver::watch(&client, name, *every, *lasts, json).await,
        Command::Metrics { all: false, every: None, span, keep } if keep.place.is_none() && !span.is_any() => {
            metrics(&client, json).await
        }
        Command::Snapshots { name, all: false, span, keep } if keep.place.is_none() && !span.is_any() => {
            let name = checked(&client, name, true).await?;
            let latest = client.latest(&name).await?;
            Reader::open(keep, json)?.print(&name, &latest)
        }
        Command::Metrics { every, span, keep, .. } => pull(&client, METRICS, *span, *every, Reader::open(keep, json)?).await,
        Command::Events { name, span, keep } => {
            let name = checked(&client, name, false).await?;
            pull(&client, &name, *span, None, Reader::open(keep, json)?).await
        }
        Command::Snapshots { name, span, keep, .. } => {
            let name = checked(&client, name, true).await?;
            pull(&client, &name, *span, None, Reader::open(keep, json)?).await
        }
        // These have returned above.
        #[cfg(feature = "libp2p")]
        Command::Bandwidth { .. } | Command::Identity { .. } => Ok(()),
        Command::List { .. }
        | Command::Diff { .. }
        | Command::Check { .. }
        | Command::Dashboard { .. }
        | Command::Dump { .. }
        | Command::Verify { .. }
        | Command::Token { .. }
        | Command::Follow { .. } => Ok(()),
    }
}

async fn pull(client: &Client, stream: &str, span: Span, every: Option<Duration>, mut reader: Reader) -> Result<(), CliError> {
    let options = PullOptions { head: true, follow: false, since_ns: span.since, until_ns: span.until, every };
    let mut pull = client.pull(stream, reader.place(), options).await?;
    while let Some(pulled) = pull.next().await? {
        reader.deliver(&pulled)?;
    }
    Ok(())
}

/// The name as the program spells it; that of an event where a snapshot is wanted is refused, and the other way round.
async fn checked(client: &Client, name: &str, snapshot: bool) -> Result<String, CliError> {
    let wanted = if snapshot { "a snapshot" } else { "an event" };
    if name.eq_ignore_ascii_case(METRICS) {
        return Err(CliError::Other(format!("\"{name}\" is the stream of all metrics, wanted {wanted}")));
    }
    for descriptor in client.streams().await? {
        if let Some(stream_type::Type::Event(event)) = descriptor.stream_type.and_then(|kind| kind.r#type)
            && event.name.eq_ignore_ascii_case(name)
            && event.snapshot.is_some() != snapshot
        {
            let found = if snapshot { "an event" } else { "a snapshot" };
            return Err(CliError::Other(format!("\"{name}\" is {found}, wanted {wanted}")));
        }
    }
    deliver::spelt(client, name).await
}

async fn properties(client: &Client, names: &[String], json: bool) -> Result<(), CliError> {
    let properties: Vec<Value> = client.properties(names).await?.iter().map(json::property).collect();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let row = |property: &Value| {
        let error = text(&property["error"]);
        let value = if error.is_empty() { text(&property["value"]) } else { format!("({error})") };
        [text(&property["name"]), one_line(&value), text(&property["unit"]), one_line(&text(&property["description"]))]
    };
    let rows: Vec<_> = properties.iter().map(row).collect();
    print(json, &properties.into(), |out| table(out, ["NAME", "VALUE", "UNIT", "DESCRIPTION"], &rows))
}

async fn streams(client: &Client, json: bool) -> Result<(), CliError> {
    let streams: Vec<Value> = client.streams().await?.into_iter().map(json::stream).collect();
    let row = |stream: &Value| {
        let text = |key: &str| stream[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| stream[key].to_string();
        let every = stream["interval_ms"].as_u64();
        let every =
            every.map_or_else(String::new, |ms| humantime::format_duration(std::time::Duration::from_millis(ms)).to_string());
        [
            number("id"),
            text("kind"),
            text("name"),
            every,
            format!("{}..{}", number("first_sequence"), number("head_sequence")),
            number("messages_kept"),
            number("messages_dropped"),
            number("bytes_kept"),
        ]
    };
    let rows: Vec<_> = streams.iter().map(row).collect();
    let head = ["ID", "KIND", "NAME", "EVERY", "SEGMENTS", "KEPT", "DROPPED", "BYTES"];
    print(json, &streams.into(), |out| table(out, head, &rows))
}

async fn catalogue(client: &Client, json: bool) -> Result<(), CliError> {
    let declarations = client.catalogue().await?;
    let row = |declaration: &pb::Declaration| {
        let failures = match declaration.failures {
            0 => String::new(),
            count => format!("{count}: {}", one_line(&declaration.last_failure)),
        };
        let place =
            if declaration.file.is_empty() { "run time".to_owned() } else { format!("{}:{}", declaration.file, declaration.line) };
        [declaration.kind.clone(), declaration.name.clone(), declaration.unit.clone(), place, failures]
    };
    let rows: Vec<_> = declarations.iter().map(row).collect();
    let all: Vec<Value> = declarations.iter().map(json::declaration).collect();
    print(json, &all.into(), |out| table(out, ["KIND", "NAME", "UNIT", "DECLARED AT", "FAILURES"], &rows))
}

/// The schema of one event or snapshot, or those of an rpc.
async fn schema(client: &Client, name: &str) -> Result<(), CliError> {
    let all = client.catalogue().await?;
    let named = |declaration: &&pb::Declaration| declaration.kind != "collector" && declaration.name.eq_ignore_ascii_case(name);
    let declared = all.iter().find(named);
    let declared =
        declared.ok_or_else(|| CliError::Other(format!("nothing is called \"{name}\": `telemetry catalogue` lists all")))?;
    let schema = match (json::schema(&declared.request_schema), json::schema(&declared.response_schema)) {
        (None, None) => json::schema(&declared.schema),
        (request, response) => Some(json!({ "request": request, "response": response })),
    };
    let schema = schema.ok_or_else(|| {
        CliError::Other(format!(
            "the {} \"{}\" has no schema: wanted an event, a snapshot or an rpc of types that derive `schemars::JsonSchema`, in a \
             program with telemetry-core's feature `schemars`",
            declared.kind, declared.name
        ))
    })?;
    println!("{schema:#}");
    Ok(())
}

async fn rpcs(client: &Client, json: bool) -> Result<(), CliError> {
    let mut declarations = client.catalogue().await?;
    declarations.retain(|declaration| declaration.kind == "rpc");
    let rows: Vec<_> = declarations.iter().map(|rpc| [rpc.name.clone(), one_line(&rpc.description)]).collect();
    let all: Vec<Value> = declarations.iter().map(json::declaration).collect();
    print(json, &all.into(), |out| table(out, ["NAME", "DESCRIPTION"], &rows))
}

async fn metrics(client: &Client, json: bool) -> Result<(), CliError> {
    let mut views = Vec::new();
    for message in client.latest(METRICS).await? {
        views.extend(view::metrics(&message)?);
    }
    views.sort_by(|a, b| (&a.name, &a.scope, &a.version).cmp(&(&b.name, &b.scope, &b.version)));
    // A metric whose series are more than one message holds is in several: here it is one again.
    views.dedup_by(|next, first| {
        let same = (&next.name, &next.scope, &next.version) == (&first.name, &first.scope, &first.version);
        if same {
            first.points.append(&mut next.points);
        }
        same
    });
    let mut rows = Vec::new();
    for metric in &views {
        for point in &metric.points {
            let name = format!("{}{}", metric.name, labels(&point.labels));
            rows.push([name, value(&point.value), metric.unit.clone(), metric.kind.to_owned(), one_line(&metric.description)]);
        }
    }
    let views = serde_json::to_value(&views).map_err(|error| CliError::Other(error.to_string()))?;
    print(json, &views, |out| table(out, ["NAME", "VALUE", "UNIT", "KIND", "DESCRIPTION"], &rows))
}
