//! The alerts of the operators' guide, evaluated over metrics that a webhook really produced. As much of Prometheus's
//! language as they need; anything else panics, so that no rule is passed over.

use std::collections::BTreeMap;

/// The documented alerts: name and expression.
pub fn documented() -> BTreeMap<&'static str, &'static str> {
    let guide = include_str!("../../docs/operators.md");
    let mut lines = guide.lines().map(str::trim);
    let mut rules = BTreeMap::new();
    while let Some(line) = lines.next() {
        if let Some(alert) = line.strip_prefix("- alert: ") {
            let expression = lines.next().and_then(|line| line.strip_prefix("expr: "));
            let expression = expression.unwrap_or_else(|| panic!("{alert} has no expression"));
            assert_eq!(rules.insert(alert, expression), None, "{alert} twice");
        }
    }
    rules
}

/// Whether the expression yields any sample over this exposition at this time.
pub fn fires(expression: &str, metrics: &str, now: f64) -> bool {
    let mut parser = Parser {
        words: words(expression),
        at: 0,
        metrics,
        now,
    };
    let mut fires = parser.comparison();
    while parser.take("or") {
        fires |= parser.comparison();
    }
    assert_eq!(
        parser.at,
        parser.words.len(),
        "not understood: {expression}"
    );
    fires
}

fn words(expression: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        let len = if word(first) {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else if first == '"' {
            rest[1..].find('"').expect("a closed string") + 2
        } else if ["==", "!=", "<=", ">="]
            .iter()
            .any(|op| rest.starts_with(op))
        {
            2
        } else {
            1
        };
        words.push(rest[..len].to_owned());
        rest = rest[len..].trim_start();
    }
    words
}

enum Value {
    Scalar(f64),
    Samples(Vec<f64>),
}

impl Value {
    fn with(self, other: Self, apply: impl Fn(f64, f64) -> f64) -> Self {
        match (self, other) {
            (Self::Scalar(a), Self::Scalar(b)) => Self::Scalar(apply(a, b)),
            (Self::Samples(a), Self::Scalar(b)) => {
                Self::Samples(a.into_iter().map(|a| apply(a, b)).collect())
            }
            (Self::Scalar(a), Self::Samples(b)) => {
                Self::Samples(b.into_iter().map(|b| apply(a, b)).collect())
            }
            (Self::Samples(_), Self::Samples(_)) => panic!("samples are matched with samples"),
        }
    }
}

struct Parser<'m> {
    words: Vec<String>,
    at: usize,
    metrics: &'m str,
    now: f64,
}

impl Parser<'_> {
    fn next(&mut self) -> String {
        self.at += 1;
        self.words[self.at - 1].clone()
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|next| next == word);
        self.at += usize::from(found);
        found
    }

    /// Whether any sample passes.
    fn comparison(&mut self) -> bool {
        let left = self.sum();
        let operator = self.next();
        let Value::Scalar(right) = self.sum() else {
            panic!("samples are compared with samples");
        };
        let Value::Samples(left) = left else {
            panic!("a rule without a metric");
        };
        left.into_iter().any(|left| match operator.as_str() {
            #[allow(clippy::float_cmp, reason = "0 and 1 are exact")]
            "==" => left == right,
            "<" => left < right,
            ">" => left > right,
            _ => panic!("not understood: {operator}"),
        })
    }

    fn sum(&mut self) -> Value {
        let mut value = self.product();
        loop {
            if self.take("-") {
                value = value.with(self.product(), |a, b| a - b);
            } else if self.take("+") {
                value = value.with(self.product(), |a, b| a + b);
            } else {
                return value;
            }
        }
    }

    fn product(&mut self) -> Value {
        let mut value = self.atom();
        while self.take("*") {
            value = value.with(self.atom(), |a, b| a * b);
        }
        value
    }

    fn atom(&mut self) -> Value {
        let word = self.next();
        if let Ok(number) = word.parse() {
            return Value::Scalar(number);
        }
        if word == "time" && self.take("(") && self.take(")") {
            return Value::Scalar(self.now);
        }
        assert!(word.starts_with("privy_"), "not understood: {word}");
        // A metric that no webhook has can never fire.
        let kind = format!("# TYPE {word} ");
        assert!(self.metrics.contains(&kind), "there is no metric {word}");
        let mut wanted = Vec::new();
        if self.take("{") {
            while !self.take("}") {
                let label = self.next();
                let operator = self.next();
                let value = self.next();
                wanted.push((format!("{label}={value}"), operator));
                self.take(",");
            }
        }
        let samples = self.metrics.lines().filter_map(|line| {
            let rest = line.strip_prefix(&word)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let labels = labels.trim_start_matches('{').trim_end_matches('}');
            if !(rest.starts_with(' ') || rest.starts_with('{')) {
                return None;
            }
            let fits = wanted.iter().all(|(label, operator)| {
                let has = labels.split(',').any(|found| found == label);
                match operator.as_str() {
                    "=" => has,
                    "!=" => !has,
                    _ => panic!("not understood: {operator}"),
                }
            });
            fits.then(|| value.parse().unwrap())
        });
        Value::Samples(samples.collect())
    }
}
