//! The tables of `docs/key-services.md`: what each answer of a service means.

/// `| code | meaning | category | retried |`
#[derive(Debug)]
pub struct Row {
    pub code: String,
    /// As `Category::as_str` writes it.
    pub category: String,
    pub retried: bool,
}

/// `| asked for | lie | caught by | outcome |`
#[derive(Debug)]
pub struct Lie {
    pub asked: String,
    pub told: &'static str,
    pub outcome: String,
}

/// The rows of the table that follows the line `<!-- answers: SERVICE -->`.
pub fn rows(service: &str) -> Vec<Row> {
    let rows = table(&format!("<!-- answers: {service} -->"));
    rows.iter().map(|line| row(line)).collect()
}

/// The rows of the table that follows the line `<!-- lies: SERVICE -->`.
pub fn lies(service: &str) -> Vec<Lie> {
    let rows = table(&format!("<!-- lies: {service} -->"));
    let lie = |line: &String| {
        let [asked, lie, _, outcome] = cells(line);
        Lie {
            asked: asked.to_owned(),
            told: lie.trim_matches('`').to_owned().leak(),
            outcome: outcome.to_owned(),
        }
    };
    rows.iter().map(lie).collect()
}

fn table(mark: &str) -> Vec<String> {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/key-services.md");
    let text = std::fs::read_to_string(document).expect("the document");
    let (_, table) = text.split_once(mark).expect("a table of this service");
    let rows: Vec<_> = table
        .trim_start()
        .lines()
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(str::to_owned)
        .collect();
    assert!(rows.len() > 3, "the table after {mark} is empty");
    rows
}

fn cells(line: &str) -> [&str; 4] {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    cells.try_into().unwrap_or_else(|_| panic!("{line}"))
}

fn row(line: &str) -> Row {
    let [code, _, category, retried] = cells(line);
    Row {
        code: code.trim_matches('`').to_owned(),
        category: category.to_owned(),
        retried: match retried {
            "yes" => true,
            "no" => false,
            other => panic!("{other}"),
        },
    }
}
