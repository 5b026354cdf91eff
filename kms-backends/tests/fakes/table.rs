//! The tables of `docs/key-services.md`: what each answer of a service means.

use kms_backends::Category;

/// `| code | meaning | category | retried |`
#[derive(Debug)]
pub struct Row {
    pub code: String,
    pub category: Category,
    pub retried: bool,
}

/// The rows of the table that follows the line `<!-- answers: SERVICE -->`.
pub fn rows(service: &str) -> Vec<Row> {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/key-services.md");
    let text = std::fs::read_to_string(document).expect("the document");
    let mark = format!("<!-- answers: {service} -->");
    let (_, table) = text.split_once(&mark).expect("a table of this service");
    let rows: Vec<_> = table
        .trim_start()
        .lines()
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(row)
        .collect();
    assert!(rows.len() > 3, "the table of {service} is empty");
    rows
}

fn row(line: &str) -> Row {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [code, _, category, retried] = cells[..] else {
        panic!("{line}");
    };
    let category = Category::ALL
        .into_iter()
        .find(|known| known.as_str() == category)
        .unwrap_or_else(|| panic!("{line}"));
    Row {
        code: code.trim_matches('`').to_owned(),
        category,
        retried: match retried {
            "yes" => true,
            "no" => false,
            other => panic!("{other}"),
        },
    }
}
