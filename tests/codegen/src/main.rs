//! Writes the generated code to where it is checked in: `cargo run -p codegen`.

fn main() -> anyhow::Result<()> {
    for generated in codegen::generate()? {
        std::fs::write(generated.checked_in(), generated.code)?;
    }
    Ok(())
}
