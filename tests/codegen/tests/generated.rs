//! The checked-in code is what its `.proto` files say.

#[test]
fn the_checked_in_code_is_what_the_proto_files_say() {
    for generated in codegen::generate().expect("the .proto files compile") {
        let found = std::fs::read_to_string(generated.checked_in()).expect("the generated code is checked in");
        assert!(found == generated.code, "telemetry-exporter/src/pb/{} is old: run `cargo run -p codegen`", generated.name);
    }
}
