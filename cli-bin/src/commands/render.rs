//! `privy render`: the manifests of the webhook, as plain YAML for whoever applies them.
//!
//! The templates are real manifests in `deploy/manifests/`. What they hold is what is printed, but for the few values
//! that a cluster has of its own; each of these stands in the template as a default, and a default that is no longer
//! there is a mistake that the tests find.

mod args;
mod inputs;
mod template;

use std::fmt::Write as _;

pub use args::{Args, CallerMode, Part};

use crate::io::Io;
use crate::report::{Exit, Failure};
use inputs::Inputs;
use template::Template;

/// Prints the manifests in the order in which they are to be applied.
///
/// # Errors
/// Exit 2 for files that cannot be read and flags that contradict each other.
pub fn run(args: &Args, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let inputs = Inputs::read(args)?;
    let mut out = String::new();
    for (name, text) in manifests(args, &inputs) {
        let _ = write!(out, "---\n# {name}\n{}", text.trim_end_matches('\n'));
        out.push('\n');
    }
    io.answer(out.as_bytes())?;
    Ok(Exit::Done)
}

/// Every manifest that `args` ask for: its file's name and its text.
fn manifests(args: &Args, inputs: &Inputs) -> Vec<(&'static str, String)> {
    let wanted = |part: Part| args.only.is_none_or(|only| only == part);
    let in_cluster = args.url.is_none() && args.external_name.is_none();
    let mut all = Vec::new();
    if wanted(Part::Backstop) {
        all.push(Template::BACKSTOP.render());
    }
    if wanted(Part::Webhook) {
        if args.url.is_none() {
            all.push(Template::NAMESPACE.namespace(&args.namespace).render());
        }
        if in_cluster {
            all.push(Template::IDENTITY.namespace(&args.namespace).render());
            if args.callers == CallerMode::Aggregated {
                all.push(
                    Template::AGGREGATED_IDENTITY
                        .namespace(&args.namespace)
                        .render(),
                );
            }
            if args.subject_access_review {
                all.push(
                    Template::SUBJECT_ACCESS_REVIEW
                        .namespace(&args.namespace)
                        .render(),
                );
            }
            if let Some(files) = &inputs.configuration {
                all.push((
                    "30-configuration.yaml",
                    template::configuration(&args.namespace, files),
                ));
            }
            let token = args.callers == CallerMode::Aggregated || args.subject_access_review;
            all.push(
                Template::DEPLOYMENT
                    .namespace(&args.namespace)
                    .image(&args.image)
                    .token(token)
                    .render(),
            );
            all.push(
                Template::SERVICE
                    .namespace(&args.namespace)
                    .port(args.port)
                    .render(),
            );
        }
        if let Some(host) = &args.external_name {
            all.push(
                Template::EXTERNAL_SERVICE
                    .namespace(&args.namespace)
                    .host(host)
                    .port(args.port)
                    .render(),
            );
        }
        if args.callers == CallerMode::Aggregated {
            all.push(
                Template::API_SERVICE
                    .namespace(&args.namespace)
                    .port(args.port)
                    .authority(inputs.authority())
                    .render(),
            );
        }
    }
    if wanted(Part::Webhook) || wanted(Part::Registration) {
        all.push(registration(args, inputs));
    }
    for grant in &args.unseal {
        if wanted(Part::Webhook) || wanted(Part::Rights) {
            all.push(Template::RIGHTS.grant(grant).render());
        }
    }
    all
}

fn registration(args: &Args, inputs: &Inputs) -> (&'static str, String) {
    let mut template = Template::REGISTRATION;
    if let Some(must) = &args.must_be_sealed {
        template = template.must_be_sealed(must);
    }
    template = template.exempt(&args.namespace, &args.exempt);
    let (name, text) = match (args.callers, &args.url) {
        (CallerMode::Aggregated, _) => template.through_the_api_server(),
        (_, Some(url)) => template.at(url).authority(inputs.authority()),
        (_, None) => template
            .namespace(&args.namespace)
            .port(args.port)
            .authority(inputs.authority()),
    }
    .render();
    (name, text)
}
