//! A Grafana dashboard of all metrics that a binary declares: a row a crate, a panel a metric.
//!
//! It is of the classic schema in its last version, which Grafana imports and is provisioned with. The panels ask for the names and the
//! classic buckets of `/metrics`. Not here: what a panel asks (`panel`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use telemetry_core::MetricKind;

use super::panel::{datasource, panel};
use super::{Record, metric};

/// The last version of the classic schema.
const SCHEMA_VERSION: u32 = 42;

/// Columns of the whole dashboard, and of a panel.
const COLUMNS: usize = 24;
const PANEL_COLUMNS: usize = 8;

/// Height of a panel, in Grafana's units; that of a row's title is one.
const PANEL_HEIGHT: usize = 8;

/// The crates of this library. Their rows come last and are closed: they tell of it, and not of the program.
const OWN: [&str; 2] = ["telemetry-core", "telemetry-exporter"];

/// The dashboard, in the order of crates and names. With `datasource` that one is chosen at first, otherwise Grafana's default.
pub fn dashboard(records: &[Record], title: &str, datasource: Option<&str>) -> Value {
    let mut metrics: Vec<(&Record, MetricKind)> =
        records.iter().filter_map(|record| metric::kind(record).map(|kind| (record, kind))).collect();
    metrics.sort_by_key(|(Record { name, kind, package, version, file, line, .. }, _)| {
        (name.to_ascii_lowercase(), kind, package, version, file, *line)
    });
    // What several crates or versions declare is one metric.
    let mut known = BTreeSet::new();
    metrics.retain(|(record, _)| known.insert((record.name.to_ascii_lowercase(), &record.kind)));
    let mut crates: BTreeMap<(bool, &str), Vec<(&Record, MetricKind)>> = BTreeMap::new();
    for (record, kind) in metrics {
        let own = OWN.contains(&record.package.as_str());
        crates.entry((own, &record.package)).or_default().push((record, kind));
    }

    let (mut panels, mut ids, mut top) = (Vec::new(), 1.., 0);
    for ((own, package), metrics) in crates {
        let row_id = ids.next();
        let mut within = Vec::new();
        for (i, (record, kind)) in metrics.iter().enumerate() {
            let (x, y) = (i * PANEL_COLUMNS % COLUMNS, i * PANEL_COLUMNS / COLUMNS * PANEL_HEIGHT);
            let mut panel = panel(record, *kind);
            panel["id"] = json!(ids.next());
            panel["gridPos"] = json!({ "h": PANEL_HEIGHT, "w": PANEL_COLUMNS, "x": x, "y": top + 1 + y });
            within.push(panel);
        }
        let height = if own { 0 } else { metrics.len().div_ceil(COLUMNS / PANEL_COLUMNS) * PANEL_HEIGHT };
        // A closed row holds its panels; those of an open one follow it.
        let (held, following) = if own { (within, Vec::new()) } else { (Vec::new(), within) };
        panels.push(json!({
            "type": "row",
            "id": row_id,
            "title": package,
            "collapsed": own,
            "gridPos": { "h": 1, "w": COLUMNS, "x": 0, "y": top },
            "panels": held,
        }));
        panels.extend(following);
        top += 1 + height;
    }
    json!({
        "title": title,
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["telemetry"],
        "timezone": "browser",
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "annotations": { "list": [] },
        "links": [],
        "templating": { "list": variables(datasource) },
        "panels": panels,
    })
}

/// The data source, and which of the processes that it scrapes; `target_info` is in the `/metrics` of each.
fn variables(chosen: Option<&str>) -> [Value; 3] {
    let query = |name: &str, query: &str| {
        json!({
            "type": "query",
            "name": name,
            "datasource": datasource(),
            "definition": query,
            "query": { "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery" },
            "includeAll": true,
            "allValue": ".*",
            "multi": true,
            "current": { "text": ["All"], "value": ["$__all"] },
            "options": [],
            "refresh": 2,
            "sort": 1,
        })
    };
    let mut datasource = json!({ "type": "datasource", "name": "datasource", "query": "prometheus", "options": [], "refresh": 1 });
    if let Some(uid) = chosen {
        datasource["current"] = json!({ "text": uid, "value": uid });
    }
    let instances = query("instance", r#"label_values(target_info{job=~"$job"}, instance)"#);
    [datasource, query("job", "label_values(target_info, job)"), instances]
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    fn record(kind: &str, name: &str, unit: &str, labels: &[&str]) -> Record {
        let mut record = Record::default();
        (record.kind, record.name, record.unit) = (kind.to_owned(), name.to_owned(), unit.to_owned());
        record.labels = labels.iter().map(|key| ((*key).to_owned(), Vec::new())).collect();
        (record.package, record.version, record.description) = ("node".to_owned(), "1.2.3".to_owned(), "What it is.".to_owned());
        (record.file, record.line) = ("src/main.rs".to_owned(), 7);
        record
    }

    /// Metrics of all kinds in four crates, with names that PromQL has another meaning for, and other declarations.
    fn records() -> Vec<Record> {
        let mut records = Vec::new();
        let keywords = "and atan2 avg bool bottomk by count count_values end group group_left group_right ignoring Inf max min NaN \
                        offset on or quantile start stddev stdvar sum time topk unless vector without";
        for (i, name) in keywords.split_whitespace().enumerate() {
            let mut of_name = record(["gauge", "up_down_counter"][i % 2], name, "", &[name]);
            of_name.package = ["node", "a-library"][i % 2].to_owned();
            records.push(of_name);
        }
        for (i, kind) in ["counter", "up_down_counter", "gauge", "histogram"].into_iter().enumerate() {
            for unit in ["", "By", "s", "1", "%", "{request}/s", "{a}/{b}"] {
                let name = format!("{kind}.of-{}/x", unit.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_"));
                let mut of_unit = record(kind, &name, unit, &["by", "le", "http.route", "instance"][..i]);
                of_unit.package = ["node", "telemetry-core", "telemetry-exporter"][i % 3].to_owned();
                records.push(of_unit);
            }
        }
        records.extend([record("event", "happened", "", &[]), record("collector", "node::read", "", &[])]);
        let mut other_version = records[0].clone();
        other_version.version = "2.0.0".to_owned();
        records.push(other_version);
        records
    }

    /// The panels that are no rows, with those that a closed row holds.
    fn panels(dashboard: &Value) -> Vec<&Value> {
        let all = dashboard["panels"].as_array().expect("an array");
        let held = all.iter().flat_map(|panel| panel["panels"].as_array().into_iter().flatten());
        all.iter().filter(|panel| panel["type"] != "row").chain(held).collect()
    }

    #[test]
    fn each_metric_has_one_panel_in_the_row_of_its_crate() {
        let records = records();
        let dashboard = dashboard(&records, "node", None);
        let mut titles: Vec<_> = panels(&dashboard).iter().filter_map(|panel| panel["title"].as_str()).collect();
        let is_metric = |record: &&Record| metric::kind(record).is_some() && record.version == "1.2.3";
        let mut wanted: Vec<_> = records.iter().filter(is_metric).map(|record| record.name.as_str()).collect();
        titles.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(titles, wanted);

        let rows: Vec<_> = dashboard["panels"].as_array().into_iter().flatten().filter(|panel| panel["type"] == "row").collect();
        let rows: Vec<_> = rows.iter().map(|row| (row["title"].as_str().unwrap_or_default(), row["collapsed"] == true)).collect();
        assert_eq!(rows, [("a-library", false), ("node", false), ("telemetry-core", true), ("telemetry-exporter", true)]);
        let found = panels(&dashboard).into_iter().find(|panel| panel["title"] == "counter.of-By/x").expect("its panel");
        assert_eq!(found["description"], "What it is.\n\nnode 1.2.3, src/main.rs:7");
    }

    #[test]
    fn panels_do_not_overlap_and_have_numbers_of_their_own() {
        let dashboard = dashboard(&records(), "node", None);
        let rows = dashboard["panels"].as_array().expect("an array");
        // What a closed row holds takes no place; opened, it is moved as a whole.
        let closed = rows.iter().filter_map(|row| row["panels"].as_array()).filter(|held| !held.is_empty());
        for group in std::iter::once(rows).chain(closed) {
            let mut taken = BTreeSet::new();
            for panel in group {
                let side = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
                assert!(side("x") + side("w") <= 24 && side("h") > 0, "{panel}");
                for x in side("x")..side("x") + side("w") {
                    for y in side("y")..side("y") + side("h") {
                        assert!(taken.insert((x, y)), "{panel} is on another");
                    }
                }
            }
        }
        let mut ids = BTreeSet::new();
        let numbered = rows.iter().chain(panels(&dashboard).into_iter().filter(|panel| !rows.contains(panel)));
        numbered.for_each(|panel| assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{panel}"));
    }

    #[test]
    fn the_data_source_is_a_variable_and_the_order_of_the_records_is_none_of_the_dashboard() {
        let (found, mut records) = (dashboard(&records(), "node", Some("abc")), records());
        assert_eq!(found["templating"]["list"][0]["current"]["value"], "abc");
        assert!(panels(&found).iter().all(|panel| panel["targets"][0]["datasource"]["uid"] == "${datasource}"));
        records.reverse();
        assert!(dashboard(&records, "node", Some("abc")) == found);
        assert_eq!(dashboard(&[], "nothing", None)["panels"], json!([]));
    }

    /// Prometheus' own parser says whether it understands what the panels ask.
    #[test]
    fn prometheus_understands_every_expression() {
        let found = Command::new("promtool").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            let required = std::env::var_os("TELEMETRY_REQUIRE_SERVERS").is_some_and(|value| value == "1");
            assert!(!required, "promtool is required here: apt-get install prometheus");
            println!("skipped: promtool is not installed: apt-get install prometheus");
            return;
        }
        let dashboard = dashboard(&records(), "node", None);
        let targets = panels(&dashboard).into_iter().flat_map(|panel| panel["targets"].as_array().expect("an array"));
        let expressions = targets.map(|target| target["expr"].as_str().expect("text"));
        let rule = |(i, expression): (usize, &str)| {
            let filled = expression.replace("$__rate_interval", "5m").replace("$job", "node").replace("$instance", ".*");
            json!({ "record": format!("rule_{i}"), "expr": filled })
        };
        let rules: Vec<_> = expressions.enumerate().map(rule).collect();
        assert!(rules.len() > 60, "{} expressions", rules.len());
        let file = json!({ "groups": [{ "name": "dashboard", "rules": rules }] }).to_string();
        let mut promtool = Command::new("promtool");
        promtool.args(["check", "rules", "/dev/stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = promtool.spawn().expect("it starts");
        child.stdin.take().expect("a pipe").write_all(file.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("it ends");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    }
}
