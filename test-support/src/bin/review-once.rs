//! Answers one review of a dimension, for a counter of instructions: `review-once NAME NUMBER`, or `review-once --list`.

use std::time::Duration;

use test_support::dimensions::dimensions;
use test_support::reviews::Bench;
use tokio::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let dimensions = dimensions();
    if arguments == ["--list"] {
        for (name, _) in dimensions {
            println!("{name}");
        }
        return;
    }
    let [name, number] = &arguments[..] else {
        panic!("usage: review-once NAME NUMBER | --list");
    };
    let (_, make) = dimensions
        .iter()
        .find(|(known, _)| known == name)
        .expect("a dimension of --list");
    let body = make(number.parse().expect("a number"));
    let bench = Bench::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = runtime.block_on(async {
        let deadline = Instant::now() + Duration::from_mins(1);
        bench.reviewer.review(body.as_bytes(), deadline).await
    });
    let mut line = Vec::new();
    answer.record.write_json(&mut line);
    let sealed = bench.reviewer.must_be_sealed(body.as_bytes());
    sealed.record.write_json(&mut line);
    println!("{}", answer.body.as_ref().len() + line.len());
}
