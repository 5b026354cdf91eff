//! Secrets that are stored sealed: nobody opened them when they came.
use super::super::cluster::Cluster;
use super::super::finding::Finding;
use super::unreadable;

/// Picks candidates out within kubectl, so that no other value reaches us: base64 of `eyJ` and of `{"p`, cut to what
/// tells an envelope from a signed token. Annotations are told by their names.
const TEMPLATE: &str = r#"{{range .items}}{{$m := .metadata}}{{$d := .data}}{{range $k, $v := .data}}{{if $v}}{{if or (eq (printf "%.4s" $v) "ZXlK") (eq (printf "%.4s" $v) "eyJw")}}{{printf "value\t%s\t%s\t%s\t%.52s\n" $m.namespace $m.name $k $v}}{{end}}{{end}}{{end}}{{range $k, $v := $m.annotations}}{{if eq (printf "%.19s" $k) "privyseal.dev/data."}}{{if $d}}{{if not (index $d (slice $k 19))}}{{printf "annotation\t%s\t%s\t%s\t\n" $m.namespace $m.name (slice $k 19)}}{{end}}{{else}}{{printf "annotation\t%s\t%s\t%s\t\n" $m.namespace $m.name (slice $k 19)}}{{end}}{{end}}{{if eq $k "privyseal.dev/leave"}}{{printf "leave\t%s\t%s\t%s\t\n" $m.namespace $m.name $v}}{{end}}{{end}}{{end}}"#;

/// By these openings the backstop knows an envelope, too.
const ENVELOPES: [&str; 6] = [
    "ZXlKbGJtTWlPa",
    "ZXlKaGJHY2lPaUpTVTBFdFQwRkZV",
    "ZXlKaGJHY2lPaUpGUTBSSUxVVl",
    "ZXlKMGVYQWlPaUpLVjFRaUxDSmhiR2NpT2lKU1UwRXRUMEZGVU",
    "ZXlKMGVYQWlPaUpLVjFRaUxDSmhiR2NpT2lKRlEwUklMVVZUS",
    "eyJwcm90ZWN0ZWQiOiJleUpsYm1NaU9p",
];
/// More lines than this help nobody.
const MOST: usize = 50;

pub(super) fn unopened(cluster: &Cluster) -> anyhow::Result<Finding> {
    const CHECK: &str = "stored sealed";
    let said = cluster.run(
        &[
            "get",
            "secrets",
            "--all-namespaces",
            "-o",
            &format!("go-template={TEMPLATE}"),
        ],
        "",
    )?;
    if !said.ok {
        return Ok(unreadable(CHECK, "Secrets", &said));
    }
    let rows: Vec<Vec<&str>> = said
        .out
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let left = |namespace: &str, name: &str, field: &str| {
        rows.iter().any(|row| {
            matches!(row[..], ["leave", ns, n, fields, ..] if ns == namespace && n == name && fields.split(',').any(|f| f.trim() == field))
        })
    };
    let mut found: Vec<String> = rows
        .iter()
        .filter_map(|row| match row[..] {
            ["value", namespace, name, field, head]
                if ENVELOPES.iter().any(|opening| head.starts_with(opening))
                    && !left(namespace, name, field) =>
            {
                Some(format!("{namespace}/{name}: field {field}"))
            }
            ["annotation", namespace, name, field, ..] => Some(format!(
                "{namespace}/{name}: annotation of field {field}, which `data` lacks"
            )),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Ok(Finding::ok(
            CHECK,
            "no Secret holds an envelope that nobody opened",
        ));
    }
    let count = found.len();
    if count > MOST {
        found.truncate(MOST);
        found.push(format!("and {} more", count - MOST));
    }
    Ok(Finding::problem(
        CHECK,
        format!("{count} values are stored as they were sealed: applications read ciphertext"),
        "with webhook and backstop in place, send each once more: kubectl get secret NAME -n NAMESPACE -o yaml | kubectl replace -f - (`kubectl apply` of an unchanged manifest changes nothing); or name the field in the annotation `privyseal.dev/leave` if the application opens it",
    )
    .details(found))
}
