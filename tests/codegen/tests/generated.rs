//! The checked-in code is what its `.proto` files say.

#[test]
fn the_checked_in_code_is_what_the_proto_files_say() {
    let wanted = codegen::generate().expect("the .proto files compile");
    let found = std::fs::read_to_string(codegen::checked_in()).expect("the generated code is checked in");
    assert!(found == wanted, "telemetry-exporter/src/pb/generated.rs is old: run `cargo run -p codegen`");
}
