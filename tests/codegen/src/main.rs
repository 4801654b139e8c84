//! Writes the generated code to where it is checked in: `cargo run -p codegen`.

fn main() -> anyhow::Result<()> {
    std::fs::write(codegen::checked_in(), codegen::generate()?)?;
    Ok(())
}
