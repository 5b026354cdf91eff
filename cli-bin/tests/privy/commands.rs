//! Help texts and mistakes, word for word: one file each under `tests/cmd`.

#[test]
fn say_what_they_said() {
    trycmd::TestCases::new()
        .env("COLUMNS", "100")
        .case("tests/cmd/*/*.trycmd")
        .case("tests/cmd/*/*.toml");
}
