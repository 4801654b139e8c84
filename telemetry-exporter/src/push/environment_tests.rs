//! What OpenTelemetry's variables say, each alone and against the others.

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Environment, String> {
    let look_up = |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
    Environment::read(&Variables(&look_up)).map_err(|error| error.to_string())
}

fn pushes(variables: &[(&str, &str)]) -> Vec<Push> {
    read(variables).expect("readable").push
}

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

#[test]
fn nothing_is_pushed_unless_it_is_asked_for() {
    assert_eq!(read(&[]), Ok(Environment { collect_every: None, push: vec![], metrics_off: false, events_off: false }));
    assert_eq!(pushes(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), []);
    assert_eq!(pushes(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]), []);
    assert_eq!(pushes(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]), []);
    assert_eq!(pushes(&[ENDPOINT, ("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")]), []);
    assert_eq!(pushes(&[("OTEL_METRICS_EXPORTER", "prometheus")]), []);
}

#[test]
fn an_endpoint_is_for_both_signals_and_an_exporter_brings_the_default_endpoint() {
    let wanted = Push { endpoint: "http://collector:4318".to_owned(), ..Push::default() };
    assert_eq!(pushes(&[ENDPOINT]), [wanted]);
    let metrics = Push { events: false, ..Push::default() };
    assert_eq!(pushes(&[("OTEL_METRICS_EXPORTER", "otlp")]), [metrics]);
    let logs = Push { endpoint: "http://localhost:4317".to_owned(), protocol: Protocol::Grpc, metrics: false, ..Push::default() };
    assert_eq!(pushes(&[("OTEL_LOGS_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]), [logs]);
    assert_eq!(pushes(&[("OTEL_METRICS_EXPORTER", "prometheus, otlp"), ("OTEL_LOGS_EXPORTER", "otlp")]), [Push::default()]);
}

#[test]
fn what_a_signal_says_wins_over_what_is_said_for_all() {
    let [metrics, logs] = &pushes(&[
        ENDPOINT,
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "7000"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://other/anywhere"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "b=2"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"),
    ])[..] else {
        panic!("two collectors")
    };
    assert_eq!((metrics.endpoint.as_str(), metrics.exact), ("http://other/anywhere", true));
    assert_eq!(metrics.headers, [("b".to_owned(), "2".to_owned())]);
    assert_eq!((metrics.timeout, metrics.compression), (PUSH_TIMEOUT_MAX, Compression::Gzip));
    assert_eq!((metrics.metrics, metrics.events, metrics.protocol), (true, false, Protocol::HttpProtobuf));
    assert_eq!((logs.endpoint.as_str(), logs.exact), ("http://collector:4318", false));
    assert_eq!(logs.headers, [("a".to_owned(), "1".to_owned())]);
    assert_eq!((logs.timeout, logs.compression), (Duration::from_secs(7), Compression::None));
    assert_eq!((logs.metrics, logs.events, logs.protocol), (false, true, Protocol::Grpc));
}

#[test]
fn an_endpoint_without_a_scheme_is_for_grpc_and_as_secure_as_the_environment_says() {
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let bare = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
    let endpoint = |variables: &[(&str, &str)]| pushes(variables)[0].endpoint.clone();
    assert_eq!(endpoint(&[grpc, bare]), "https://collector:4317");
    assert_eq!(endpoint(&[grpc, bare, ("OTEL_EXPORTER_OTLP_INSECURE", "true")]), "http://collector:4317");
    assert_eq!(
        endpoint(&[grpc, ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a"), ("OTEL_EXPORTER_OTLP_INSECURE", "true")]),
        "https://a"
    );
    let wanted = r#"OTEL_EXPORTER_OTLP_ENDPOINT is "collector:4317": wanted a URL that begins with http:// or https://"#;
    assert_eq!(read(&[bare]).unwrap_err(), wanted);
}

#[test]
fn temporality_certificates_and_the_interval_are_read() {
    let preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    for (word, wanted) in
        [("Delta", Temporality::Delta), ("lowmemory", Temporality::Delta), ("CUMULATIVE", Temporality::Cumulative)]
    {
        let pushes = pushes(&[ENDPOINT, (preference, word)]);
        assert_eq!((pushes.len(), pushes[0].temporality), (1, wanted));
    }
    let files = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "me.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "key.pem"),
    ];
    let tls = &pushes(&[&[ENDPOINT], &files[..]].concat())[0].tls;
    let file = |name: &str| Some(name.into());
    assert_eq!(*tls, Tls { certificate: file("ca.pem"), client_certificate: file("me.pem"), client_key: file("key.pem") });
    let every = read(&[("OTEL_METRIC_EXPORT_INTERVAL", "1500")]).expect("readable").collect_every;
    assert_eq!(every, Some(Duration::from_millis(1_500)));
}

#[test]
fn headers_are_percent_decoded_pairs_whose_values_no_error_tells() {
    let headers = |value: &str| read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", value)]).map(|found| found.push[0].headers.clone());
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(headers("a=b=c , d=%C3%A9%2C,,e=").unwrap(), [pair("a", "b=c"), pair("d", "é,"), pair("e", "")]);
    for bad in ["a=1,secret", "a=1,=secret", "a=1,b=secret%FF"] {
        let error = headers(bad).unwrap_err();
        assert!(error.starts_with("OTEL_EXPORTER_OTLP_HEADERS has a pair 2 that is none"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn what_cannot_be_read_names_the_variable_its_value_and_what_is_wanted() {
    for (name, value, wanted) in [
        ("OTEL_METRIC_EXPORT_INTERVAL", "1s", "milliseconds, 0 to 2147483647"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", "milliseconds, 0 to 2147483647"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0", "milliseconds above 0"),
        ("OTEL_SDK_DISABLED", "yes", "true or false"),
        ("OTEL_METRICS_EXPORTER", "console", "otlp, prometheus or none"),
        ("OTEL_LOGS_EXPORTER", "otlp,console", "otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "grpc or http/protobuf"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "9999999999", "milliseconds, 0 to 2147483647"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip or none"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "both", "cumulative, delta or lowmemory"),
    ] {
        assert_eq!(read(&[ENDPOINT, (name, value)]).unwrap_err(), format!("{name} is \"{value}\": wanted {wanted}"));
    }
}
