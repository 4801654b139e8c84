//! What only the compiler can judge: the carets and the words of mistakes, and that strict crates take the macros.

#[test]
fn mistakes_are_pointed_at_and_strict_crates_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
    cases.compile_fail("fail/*.rs");
}
